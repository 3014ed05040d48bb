"""Read and write picture and video files."""
