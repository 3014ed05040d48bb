"""From a model's name or path to a checked ONNX: cards say what exists, the store finds, fetches and verifies it."""
