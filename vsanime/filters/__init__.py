"""What a script calls, one module for each public filter: arguments, their checks, and what the filter is for."""
