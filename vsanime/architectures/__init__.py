"""The architectures as `torch.nn.Module`, one file per system, and their export to plain ONNX."""
