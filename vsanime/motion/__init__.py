"""How line pictures move, and colours with them: needs NumPy, OpenCV and SciPy (`vsanime[colorize]`), nothing else."""
