// SPDX-License-Identifier: Apache-2.0
// Content-Encoding of answers: what the client takes, what is worth it, and the packing. Private to
// net.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace slipway::net {

enum class Encoding { kIdentity, kDeflate, kGzip, kZstd };

// The best of what an Accept-Encoding takes: the highest q, then zstd, gzip, deflate, none.
Encoding ChooseEncoding(std::string_view accept_encoding);
std::string_view EncodingName(Encoding encoding);
// Text in any form; false for what is packed already, and for tensors.
bool IsWorthPacking(std::string_view content_type);
// Nothing when it fails or comes out larger.
std::optional<std::string> Pack(Encoding encoding, std::string_view plain);

}  // namespace slipway::net
