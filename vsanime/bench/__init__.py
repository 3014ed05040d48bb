"""Measures the quality of doublers, styles and colorization, and the speed of filters, for `vsanime bench`."""
