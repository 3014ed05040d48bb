"""CUDA for every backend on NVIDIA's cards: the runtime's API, lanes on a card, and ONNX Runtime's provider."""
