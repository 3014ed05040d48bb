"""Wrap CUDA for every backend on NVIDIA cards: the runtime's API, lanes on a card, and ONNX Runtime's provider."""
