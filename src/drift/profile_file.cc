// SPDX-License-Identifier: Apache-2.0
// A profile as bytes (docs/formats/profile.md): so that a report needs no reference rows.
#include <string>
#include <utility>

#include "base/byte_codec.h"
#include "base/hash.h"
#include "drift/profile.h"

namespace slipway::drift {
namespace {

constexpr std::string_view kMagic = "slipway-profile\n";
constexpr size_t kChecksumBytes = sizeof(uint32_t);

base::Status Damaged(std::string_view what) {
  return {base::Code::kDataLoss, "damaged_profile", "the profile is damaged: " + std::string(what)};
}

// Buckets that hold something, each after the number of empty ones before it.
void EncodeFine(const std::vector<int64_t>& fine, base::ByteWriter& out) {
  uint64_t filled = 0;
  for (const int64_t count : fine) filled += count != 0 ? 1 : 0;
  out.Fixed(static_cast<uint8_t>(!fine.empty()));
  out.Varint(filled);
  uint64_t empty = 0;
  for (const int64_t count : fine) {
    if (count == 0) {
      ++empty;
      continue;
    }
    out.Varint(empty);
    out.Signed(count);
    empty = 0;
  }
}

base::Status DecodeFine(base::ByteReader& in, std::vector<int64_t>& fine) {
  if (in.Fixed<uint8_t>() != 0) fine.resize(FineGrid::kBuckets);
  const uint64_t filled = in.Varint();
  if (filled > fine.size()) return Damaged("more buckets than there are");
  size_t bucket = 0;
  for (uint64_t i = 0; i < filled; ++i, ++bucket) {
    const uint64_t empty = in.Varint();
    if (empty >= fine.size() - bucket) return Damaged("a bucket past the last");
    bucket += empty;
    fine[bucket] = in.Signed();
    if (bucket + 1 == fine.size() && i + 1 != filled) return Damaged("a bucket past the last");
  }
  return base::Status::Ok();
}

void EncodeCounts(const ColumnCounts& counts, base::ByteWriter& out) {
  for (const int64_t count : counts.bins) out.Signed(count);
  EncodeFine(counts.fine, out);
  out.Signed(counts.moments.n);
  out.Fixed(counts.moments.mean);
  out.Fixed(counts.moments.m2);
  out.Fixed(counts.moments.least);
  out.Fixed(counts.moments.most);
  out.Signed(counts.positive_infinities);
  out.Signed(counts.negative_infinities);
}

base::Status DecodeCounts(base::ByteReader& in, ColumnCounts& counts) {
  for (int64_t& count : counts.bins) {
    count = in.Signed();
    if (count < 0) return Damaged("a count below 0");
  }
  TRY(DecodeFine(in, counts.fine));
  counts.moments.n = in.Signed();
  counts.moments.mean = in.Fixed<double>();
  counts.moments.m2 = in.Fixed<double>();
  counts.moments.least = in.Fixed<double>();
  counts.moments.most = in.Fixed<double>();
  counts.positive_infinities = in.Signed();
  counts.negative_infinities = in.Signed();
  return in.ok() ? base::Status::Ok() : Damaged("it ends too early");
}

}  // namespace

bool LooksLikeProfile(std::string_view bytes) { return bytes.starts_with(kMagic); }

std::string EncodeProfile(const Profile& profile) {
  base::ByteWriter out(4096 * (profile.columns.size() + 1));
  out.Raw(kMagic);
  out.Fixed(kProfileFormat);
  out.Text(profile.source);
  out.Signed(profile.rows);
  out.Varint(profile.columns.size());
  for (const ColumnProfile& column : profile.columns) {
    column.bins.Encode(out);
    out.Text(column.type);
    EncodeCounts(column.counts, out);
  }
  std::string bytes = out.Take();
  base::ByteWriter checksum(kChecksumBytes);
  checksum.Fixed(base::Crc32c(bytes));
  return bytes + checksum.Take();
}

base::Result<Profile> DecodeProfile(std::string_view bytes) {
  if (!LooksLikeProfile(bytes)) {
    return base::InvalidArgument("profile", "expected a file that --save-profile has written");
  }
  base::ByteReader header(bytes.substr(kMagic.size()));
  const auto format = header.Fixed<uint32_t>();
  if (header.ok() && format > kProfileFormat) {
    return base::InvalidArgument("profile", "its format is " + std::to_string(format) +
                                                ", this version reads up to " +
                                                std::to_string(kProfileFormat));
  }
  if (bytes.size() < kMagic.size() + kChecksumBytes + sizeof(uint32_t))
    return Damaged("it ends too early");
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  base::ByteReader tail(bytes.substr(body.size()));
  if (tail.Fixed<uint32_t>() != base::Crc32c(body)) return Damaged("its checksum is another");
  base::ByteReader in(body.substr(kMagic.size() + sizeof(uint32_t)));
  Profile profile;
  profile.source = in.Text();
  profile.rows = in.Signed();
  const uint64_t columns = in.Varint();
  if (columns > kMaxProfileColumns) return Damaged("too many columns");
  for (uint64_t i = 0; i < columns; ++i) {
    ColumnProfile column{TRY(FeatureBins::Decode(in)), {}, {}};
    column.type = in.Text();
    column.counts = ColumnCounts(column.bins, false);
    TRY(DecodeCounts(in, column.counts));
    profile.columns.push_back(std::move(column));
  }
  if (!in.ok() || !in.AtEnd()) return Damaged("it does not end where it should");
  return profile;
}

}  // namespace slipway::drift
