"""ArtCNN: doubles luma or reconstructs chroma."""
