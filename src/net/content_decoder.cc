// SPDX-License-Identifier: Apache-2.0
// Content-Encoding of request bodies: between the parser and the handler. The limit holds for the
// unpacked size, so that a small body cannot unpack to fill the memory.
#include "net/content_decoder.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace slipway::net {

base::Status BodyTooLarge(int64_t most) {
  return base::ResourceExhausted("body_too_large",
                                 "the body is larger than " + std::to_string(most) + " bytes");
}

namespace {

constexpr size_t kPieceBytes = 64 * 1024;

base::Status Damaged(std::string_view encoding) {
  return base::InvalidArgument("Content-Encoding", "the body is not valid " + std::string(encoding),
                               "bad_content_encoding");
}

class ZlibDecoder final : public ContentDecoder {
 public:
  ZlibDecoder() {
    constexpr int kGzipOrZlib = 15 + 32;
    CHECK(inflateInit2(&stream_, kGzipOrZlib) == Z_OK, "zlib has memory");
  }
  ~ZlibDecoder() override { inflateEnd(&stream_); }
  ZlibDecoder(const ZlibDecoder&) = delete;
  ZlibDecoder& operator=(const ZlibDecoder&) = delete;

  base::Status Decode(std::string_view bytes, std::string& out, size_t most) override {
    std::array<unsigned char, kPieceBytes> piece;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    bool full = false;  // the last call may have left output behind
    while (stream_.avail_in > 0 || full) {
      if (ended_) return Damaged("gzip");
      stream_.next_out = piece.data();
      stream_.avail_out = piece.size();
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return Damaged("gzip");
      const size_t made = piece.size() - stream_.avail_out;
      if (out.size() + made > most) return BodyTooLarge(static_cast<int64_t>(most));
      out.append(reinterpret_cast<const char*>(piece.data()), made);
      ended_ = result == Z_STREAM_END;
      full = stream_.avail_out == 0 && !ended_;
      if (result == Z_BUF_ERROR && made == 0) break;
    }
    return base::Status::Ok();
  }
  base::Status Finish() override {
    return ended_ ? base::Status::Ok() : Damaged("gzip (cut short)");
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class ZstdDecoder final : public ContentDecoder {
 public:
  ZstdDecoder() : stream_(ZSTD_createDStream()) {
    CHECK(stream_ != nullptr, "zstd has memory");
    constexpr int kWindowLog = 23;  // 8 MiB, what RFC 8878 asks a receiver to take
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kWindowLog);
  }
  ~ZstdDecoder() override { ZSTD_freeDStream(stream_); }
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  base::Status Decode(std::string_view bytes, std::string& out, size_t most) override {
    std::array<char, kPieceBytes> piece;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer made{piece.data(), piece.size(), 0};
      left_ = ZSTD_decompressStream(stream_, &made, &in);
      if (ZSTD_isError(left_) != 0) return Damaged("zstd");
      if (out.size() + made.pos > most) return BodyTooLarge(static_cast<int64_t>(most));
      out.append(piece.data(), made.pos);
      full = made.pos == made.size;
    }
    return base::Status::Ok();
  }
  base::Status Finish() override {
    return left_ == 0 ? base::Status::Ok() : Damaged("zstd (cut short)");
  }

 private:
  ZSTD_DStream* stream_;
  size_t left_ = 1;  // 0 at the end of a frame
};

class Decoded final : public BodyReader {
 public:
  Decoded(std::unique_ptr<BodyReader> inner, std::unique_ptr<ContentDecoder> decoder, int64_t most)
      : inner_(std::move(inner)), decoder_(std::move(decoder)), left_(most), most_(most) {}

  base::Result<size_t> Read(std::span<char> buffer) override {
    while (taken_ == decoded_.size() && !ended_) TRY(Fill());
    const size_t count = std::min(buffer.size(), decoded_.size() - taken_);
    std::copy_n(decoded_.data() + taken_, count, buffer.data());
    taken_ += count;
    return count;
  }

 private:
  base::Status Fill() {
    // Small pieces in, so that what one unpacks to (at most about 1000 times as much) stays small
    // in memory too.
    std::array<char, 4096> packed;
    const size_t got = TRY(inner_->Read(packed));
    decoded_.clear();
    taken_ = 0;
    if (got == 0) {
      ended_ = true;
      return decoder_->Finish();
    }
    base::Status status =
        decoder_->Decode({packed.data(), got}, decoded_, static_cast<size_t>(left_));
    if (!status.ok()) return status.reason() == "body_too_large" ? BodyTooLarge(most_) : status;
    left_ -= static_cast<int64_t>(decoded_.size());
    return base::Status::Ok();
  }

  std::unique_ptr<BodyReader> inner_;
  std::unique_ptr<ContentDecoder> decoder_;
  int64_t left_;
  int64_t most_;
  std::string decoded_;
  size_t taken_ = 0;
  bool ended_ = false;
};

}  // namespace

base::Result<std::unique_ptr<ContentDecoder>> ContentDecoder::Make(std::string_view encoding) {
  std::string name(encoding);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name.empty() || name == "identity") return std::unique_ptr<ContentDecoder>();
  if (name == "gzip" || name == "x-gzip" || name == "deflate") {
    return std::unique_ptr<ContentDecoder>(std::make_unique<ZlibDecoder>());
  }
  if (name == "zstd") return std::unique_ptr<ContentDecoder>(std::make_unique<ZstdDecoder>());
  return base::InvalidArgument("Content-Encoding",
                               "expected gzip, deflate, zstd or identity, got \"" + name + "\"",
                               "unsupported_content_encoding");
}

std::unique_ptr<BodyReader> DecodedReader(std::unique_ptr<BodyReader> inner,
                                          std::unique_ptr<ContentDecoder> decoder, int64_t most) {
  return std::make_unique<Decoded>(std::move(inner), std::move(decoder), most);
}

}  // namespace slipway::net
