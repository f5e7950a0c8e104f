// SPDX-License-Identifier: Apache-2.0
// Compression of answers, between the handler and the head.
#include "net/content_encoder.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace slipway::net {

namespace {

// Answers are packed while a client waits.
constexpr int kZlibLevel = 4;
constexpr int kZstdLevel = 1;
constexpr size_t kMostCodings = 32;  // of an Accept-Encoding that are looked at

struct Coding {
  std::string_view name;
  Encoding encoding;
};
// In the order of preference.
constexpr std::array<Coding, 4> kCodings = {{{"zstd", Encoding::kZstd},
                                             {"gzip", Encoding::kGzip},
                                             {"deflate", Encoding::kDeflate},
                                             {"identity", Encoding::kIdentity}}};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// "q=0.5" -> 0.5; what cannot be read counts as 0, so that it is not chosen by mistake.
double Quality(std::string_view parameters) {
  const std::string_view text = Trim(parameters);
  if (text.empty()) return 1;
  if (!text.starts_with("q=") && !text.starts_with("Q=")) return 0;
  double value = 0;
  const auto parsed = std::from_chars(text.data() + 2, text.data() + text.size(), value);
  return parsed.ec == std::errc() && value >= 0 && value <= 1 ? value : 0;
}

std::optional<std::string> PackZlib(std::string_view plain, int window) {
  z_stream stream{};
  if (plain.size() > std::numeric_limits<uInt>::max() / 2) return std::nullopt;
  if (deflateInit2(&stream, kZlibLevel, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return std::nullopt;
  std::string packed(plain.size(), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (!whole) return std::nullopt;
  return packed;
}

std::optional<std::string> PackZstd(std::string_view plain) {
  std::string packed(plain.size(), '\0');
  const size_t size =
      ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) return std::nullopt;
  packed.resize(size);
  return packed;
}

}  // namespace

Encoding ChooseEncoding(std::string_view accept_encoding) {
  if (accept_encoding.empty()) return Encoding::kIdentity;
  std::array<double, kCodings.size()> quality;
  quality.fill(-1);
  double others = -1;  // of "*"
  for (size_t i = 0; i < kMostCodings && !accept_encoding.empty(); ++i) {
    const size_t end = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, end);
    accept_encoding.remove_prefix(std::min(end + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view name = Trim(item.substr(0, semicolon));
    const double q = Quality(item.substr(std::min(semicolon + 1, item.size())));
    if (name == "*") others = q;
    for (size_t k = 0; k < kCodings.size(); ++k) {
      if (SameWord(name, kCodings[k].name)) quality[k] = q;
    }
  }
  size_t best = kCodings.size() - 1;
  double best_quality = 0;
  for (size_t k = 0; k < kCodings.size(); ++k) {
    const bool identity = kCodings[k].encoding == Encoding::kIdentity;
    // Identity is always possible, and the last choice unless it is asked for.
    const double unnamed = identity ? 0 : std::max(others, 0.0);
    const double q = quality[k] >= 0 ? quality[k] : unnamed;
    if (q > best_quality) {
      best = k;
      best_quality = q;
    }
  }
  return kCodings[best].encoding;
}

std::string_view EncodingName(Encoding encoding) {
  for (const Coding& coding : kCodings) {
    if (coding.encoding == encoding) return coding.name;
  }
  return "identity";
}

bool IsWorthPacking(std::string_view content_type) {
  std::string type(Trim(content_type.substr(0, content_type.find(';'))));
  for (char& c : type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  constexpr std::array<std::string_view, 6> kText = {
      "application/json", "application/x-ndjson", "application/javascript",
      "application/xml",  "image/svg+xml",        "application/yaml"};
  return (type.starts_with("text/") && type != "text/event-stream") || type.ends_with("+json") ||
         std::find(kText.begin(), kText.end(), type) != kText.end();
}

std::optional<std::string> Pack(Encoding encoding, std::string_view plain) {
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kZlibWindow = 15;
  switch (encoding) {
    case Encoding::kZstd:
      return PackZstd(plain);
    case Encoding::kGzip:
      return PackZlib(plain, kGzipWindow);
    case Encoding::kDeflate:
      return PackZlib(plain, kZlibWindow);
    case Encoding::kIdentity:
      break;
  }
  return std::nullopt;
}

}  // namespace slipway::net
