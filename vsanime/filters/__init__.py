"""The filters, one module a system: they check what the user gave and put the other rooms to work."""
