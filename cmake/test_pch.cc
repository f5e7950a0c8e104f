// SPDX-License-Identifier: Apache-2.0
// Exists so that the tests' precompiled header has a target to be compiled in (see rooms.cmake).
