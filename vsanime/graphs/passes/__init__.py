"""Rewriting passes: an ONNX graph in, the same computation out in another form, precision or order."""
