# Wrappers around `python -m tools`; Windows without make: `py -3.12 -m tools demo`, `py -3.12 -m tools test`.
#
#   make demo                        doubles a drawn clip
#   make demo INPUT="my video.mkv"   doubles your own
#   make test                        runs the tests
#   make test ARGS="-k tiles -x"     runs some of them; ARGS="-n 0 --pdb" in one process, with the debugger
#   make test ARGS=--lowest          with every direct dependency at its lowest declared version; --newest likewise
#   make test-all                    runs all of them: long ones, TensorRT-RTX, real weights and pictures
#   make mutants                     counts how many small changes of the code the tests notice (takes long)
#   make mutants ARGS="--seed 2"     other changes

# The file's name reaches the shell through the environment and untouched by make: spaces, quotes and $ stay as they are.
unexport INPUT
export VSANIME_DEMO_INPUT := $(value INPUT)
export PYTHON

.PHONY: demo test test-all mutants clean

demo:
	@if [ -n "$$VSANIME_DEMO_INPUT" ]; \
	then sh tools/python.sh -m tools demo --input "$$VSANIME_DEMO_INPUT"; \
	else sh tools/python.sh -m tools demo; fi

test test-all mutants:
	@sh tools/python.sh -m tools $@ $(ARGS)

clean:
	rm -rf .venv .venv-lowest .venv-newest demo-output .mutants
