"""Define the public filters, one module each: their arguments, the checks of these, and documentation for users."""
