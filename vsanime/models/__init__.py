"""Turns a model's name or path into a checked ONNX: cards list the models, the store finds, downloads and verifies."""
