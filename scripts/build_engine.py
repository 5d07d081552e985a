#!/usr/bin/env python3
"""Builds a TensorRT engine from a bundle; the same as `hps-trt build` (see its --help)."""

import sys

from hps_trt.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
