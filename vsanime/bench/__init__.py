"""What `vsanime bench` measures: doublers, styles, colorization, and how fast they are."""
