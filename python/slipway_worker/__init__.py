# SPDX-License-Identifier: Apache-2.0
"""The process beside the server that runs one Python model. The server unpacks this folder and starts `main`."""
