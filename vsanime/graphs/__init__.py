"""Builds one ONNX graph from planes to planes, from a plain ONNX network and the facts about a clip's frames."""
