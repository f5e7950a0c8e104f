# SPDX-License-Identifier: Apache-2.0
"""Export to ONNX, and the proof that the export answers as its source does. Run by `slipway export`."""
