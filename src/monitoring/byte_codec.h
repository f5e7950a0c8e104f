// SPDX-License-Identifier: Apache-2.0
// The names of base's byte codec in this room. Private to this room.
#pragma once

#include "base/byte_codec.h"

namespace slipway::monitoring {

using base::ByteReader;
using base::ByteWriter;

}  // namespace slipway::monitoring
