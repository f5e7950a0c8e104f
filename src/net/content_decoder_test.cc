// SPDX-License-Identifier: Apache-2.0
#include "net/content_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <zlib.h>
#include <zstd.h>

namespace slipway::net {
namespace {

std::string Gzip(const std::string& plain) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.erase(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(const std::string& plain) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  packed.erase(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 1));
  return packed;
}

class FromString final : public BodyReader {
 public:
  explicit FromString(std::string text) : text_(std::move(text)) {}
  base::Result<size_t> Read(std::span<char> buffer) override {
    const size_t count = std::min(buffer.size(), text_.size() - at_);
    std::copy_n(text_.data() + at_, count, buffer.data());
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

base::Result<std::string> DecodeInPieces(const std::string& encoding, std::string_view packed,
                                         size_t piece, size_t most) {
  const auto decoder = TRY(ContentDecoder::Make(encoding));
  std::string out;
  for (size_t at = 0; at < packed.size(); at += piece)
    TRY(decoder->Decode(packed.substr(at, piece), out, most));
  TRY(decoder->Finish());
  return out;
}

TEST(ContentDecoder, GivesBackAnyTextInAnyPieces) {
  rc::check([](const std::string& seed) {
    std::string plain;
    for (int i = 0; i < 300; ++i) plain += seed + static_cast<char>(i);
    const auto piece = static_cast<size_t>(*rc::gen::inRange(1, 5000));
    RC_ASSERT(*DecodeInPieces("gzip", Gzip(plain), piece, plain.size()) == plain);
    RC_ASSERT(*DecodeInPieces("zstd", Zstd(plain), piece, plain.size()) == plain);
  });
}

TEST(ContentDecoder, StopsAtTheLimit) {
  const std::string plain(1'000'000, 'x');
  EXPECT_EQ(DecodeInPieces("gzip", Gzip(plain), 4096, plain.size() - 1).status().reason(),
            "body_too_large");
  EXPECT_EQ(DecodeInPieces("zstd", Zstd(plain), 4096, plain.size() - 1).status().reason(),
            "body_too_large");
}

TEST(ContentDecoder, TellsDamageAndACutEnd) {
  for (const auto& [encoding, packed] :
       {std::pair<std::string, std::string>{"gzip", Gzip("some text")},
        {"zstd", Zstd("some text")}}) {
    const std::string cut = packed.substr(0, packed.size() - 3);
    EXPECT_EQ(DecodeInPieces(encoding, cut, 100, 1000).status().reason(), "bad_content_encoding");
    EXPECT_EQ(DecodeInPieces(encoding, "not packed", 100, 1000).status().reason(),
              "bad_content_encoding");
    EXPECT_FALSE(DecodeInPieces(encoding, "", 100, 1000).ok());
  }
  EXPECT_FALSE(DecodeInPieces("gzip", Gzip("a") + "trailing", 100, 1000).ok());
  EXPECT_EQ(ContentDecoder::Make("br").status().reason(), "unsupported_content_encoding");
  EXPECT_EQ(ContentDecoder::Make("Identity").value(), nullptr);
}

TEST(DecodedReader, ReadsWholeAndHoldsToTheLimit) {
  const std::string plain(300'000, 'y');
  for (const int64_t most : {300'000, 299'999}) {
    const auto reader = DecodedReader(std::make_unique<FromString>(Gzip(plain)),
                                      ContentDecoder::Make("gzip").value(), most);
    std::string all;
    std::string piece(10'000, '\0');
    base::Result<size_t> got = reader->Read(piece);
    for (; got.ok() && *got > 0; got = reader->Read(piece)) all.append(piece, 0, *got);
    if (most == 300'000) {
      EXPECT_TRUE(got.ok());
      EXPECT_EQ(all, plain);
    } else {
      EXPECT_EQ(got.status().reason(), "body_too_large");
    }
  }
}

}  // namespace
}  // namespace slipway::net
