"""Rewrites ONNX graphs: the same computation in another form, precision or order."""
