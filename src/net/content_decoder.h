// SPDX-License-Identifier: Apache-2.0
// Undoes a request's Content-Encoding (gzip, deflate, zstd), a piece at a time. Private to net.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/http.h"

namespace slipway::net {

class ContentDecoder {
 public:
  virtual ~ContentDecoder() = default;
  // Appends what `bytes` unpack to. kResourceExhausted (body_too_large) as soon as `out` would pass
  // `most` bytes.
  virtual base::Status Decode(std::string_view bytes, std::string& out, size_t most) = 0;
  // At the end of the input: an error when it was cut short.
  virtual base::Status Finish() = 0;

  // Null for "" and "identity"; unsupported_content_encoding for what is not known.
  static base::Result<std::unique_ptr<ContentDecoder>> Make(std::string_view encoding);
};

base::Status BodyTooLarge(int64_t most);

// `inner`, decoded as it is read. `most`: bytes after decoding.
std::unique_ptr<BodyReader> DecodedReader(std::unique_ptr<BodyReader> inner,
                                          std::unique_ptr<ContentDecoder> decoder, int64_t most);

}  // namespace slipway::net
