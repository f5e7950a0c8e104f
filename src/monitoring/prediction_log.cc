// SPDX-License-Identifier: Apache-2.0
// A prediction's walk, last step: its record is written here before the answer leaves; and found
// here afterwards.
#include "monitoring/prediction_log.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "monitoring/prediction_index.h"
#include "monitoring/record_codec.h"
#include "monitoring/record_store.h"

namespace slipway::monitoring {
namespace {

using storage::RecordPosition;

constexpr base::Micros kEver = std::numeric_limits<base::Micros>::max();
constexpr size_t kMaxGranulesInPage =
    2000;  // a page that matches little ends after reading this much, with a token
constexpr size_t kUlidLength = 26;
constexpr double kAppendBounds[] = {2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};

bool ParseNumber(std::string_view text, int64_t& number) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && number >= 0;
}

LoggedPrediction RowOf(const PredictionRecord& record, int64_t row) {
  LoggedPrediction prediction;
  prediction.id = FormatPredictionId(record.id, row, record.rows);
  prediction.row = row;
  prediction.record = record;
  for (auto* tensors : {&prediction.record.inputs, &prediction.record.outputs}) {
    for (inference::NamedTensor& named : *tensors) {
      const bool by_row = !named.tensor.shape().empty() && named.tensor.rows() == record.rows;
      if (by_row && record.rows > 1) named.tensor = named.tensor.Slice(row, row + 1);
    }
  }
  return prediction;
}

bool Matches(const PredictionFilter& filter, const PredictionView& view) {
  const bool status_fits = filter.status == StatusFilter::kAll ||
                           (filter.status == StatusFilter::kOk) == (view.status_code == 0);
  return status_fits && (filter.endpoint.empty() || view.endpoint == filter.endpoint) &&
         (!filter.version || view.version == *filter.version) &&
         (filter.arm.empty() || view.arm == filter.arm) &&
         (!filter.since || view.time >= *filter.since) &&
         (!filter.until || view.time < *filter.until);
}

// The last row that a page showed: the next page begins before it.
struct PageToken {
  RecordPosition position{std::numeric_limits<int64_t>::max(), 0};
  int64_t row = 0;

  std::string Print() const {
    return std::to_string(position.segment) + "-" + std::to_string(position.offset) + "-" +
           std::to_string(row);
  }
  static base::Result<PageToken> Parse(std::string_view text) {
    PageToken token;
    if (text.empty()) return token;
    const size_t first = text.find('-');
    const size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
    if (second == std::string_view::npos ||
        !ParseNumber(text.substr(0, first), token.position.segment) ||
        !ParseNumber(text.substr(first + 1, second - first - 1), token.position.offset) ||
        !ParseNumber(text.substr(second + 1), token.row)) {
      return base::InvalidArgument("page_token",
                                   "expected the next_page_token of an earlier answer");
    }
    return token;
  }
};

struct RawRecord {
  RecordPosition position;
  std::string bytes;
};

// Scans one granule's records; `visit` may end the scan.
base::Status ScanGranule(
    const RecordStore& store, const Granule& granule,
    const std::function<bool(RecordPosition, std::string_view, const PredictionView&)>& visit) {
  base::Status failure;
  PredictionView view;
  TRY(store.ScanPart(granule.first, granule.end_offset,
                     [&](RecordPosition position, std::string_view bytes) {
                       failure = ReadPrediction(bytes, view);
                       return failure.ok() && visit(position, bytes, view);
                     }));
  return failure;
}

}  // namespace

base::Result<PredictionId> ParsePredictionId(std::string_view text) {
  PredictionId id;
  id.record_id = std::string(text.substr(0, kUlidLength));
  const std::string_view rest = text.substr(std::min(kUlidLength, text.size()));
  const bool row_fits = rest.empty() || (rest[0] == '.' && ParseNumber(rest.substr(1), id.row));
  if (!row_fits || !ParseUlid(id.record_id).ok()) {
    return base::InvalidArgument(
        "prediction_id",
        "expected an id as an answer carries it, with \".row\" for a request of "
        "several rows; got '" +
            std::string(text.substr(0, 64)) + "'");
  }
  return id;
}

std::string FormatPredictionId(const std::string& record_id, int64_t row, int64_t rows) {
  return rows == 1 ? record_id : record_id + "." + std::to_string(row);
}

PredictionLog::PredictionLog(std::unique_ptr<RecordStore> store, int64_t recent_requests,
                             base::Metrics& metrics)
    : store_(std::move(store)),
      segments_(store_->segments()),
      append_seconds_(metrics.GetHistogram("slipway_monitoring_log_append_seconds",
                                           "Time to encode and write one prediction record.",
                                           kAppendBounds)),
      index_(std::make_unique<PredictionIndex>(recent_requests)) {}

PredictionLog::~PredictionLog() = default;

base::Result<std::unique_ptr<PredictionLog>> PredictionLog::Open(
    const std::string& folder, const storage::SegmentSettings& settings, int64_t recent_requests,
    base::Metrics& metrics, storage::Blobs* archive) {
  auto segments = TRY(storage::Segments::Open(folder, settings, "predictions", metrics));
  std::unique_ptr<RecordArchive> tables;
  if (archive != nullptr) tables = TRY(RecordArchive::Open(*archive, folder + "/archived"));
  return std::unique_ptr<PredictionLog>(
      new PredictionLog(std::make_unique<RecordStore>(std::move(segments), std::move(tables)),
                        recent_requests, metrics));
}

base::Status PredictionLog::Append(const PredictionRecord& record) {
  const int64_t start = base::MonotonicNanos();
  std::string bytes = TRY(EncodePrediction(record));
  const RecordPosition position = TRY(segments_.Append(bytes));
  append_seconds_.Observe(static_cast<double>(base::MonotonicNanos() - start) * 1e-9);
  if (follower_) {
    follower_(position, std::move(bytes));
    return base::Status::Ok();
  }
  PredictionView view;
  TRY(ReadPrediction(bytes, view));
  AddToIndex(position, view);
  return base::Status::Ok();
}

void PredictionLog::Follow(std::function<void(RecordPosition, std::string)> follower) {
  follower_ = std::move(follower);
}

void PredictionLog::AddToIndex(RecordPosition position, const PredictionView& view) {
  const std::lock_guard lock(mutex_);
  index_->Add(position, view);
  auto found = counts_.find(view.endpoint);
  if (found == counts_.end())
    found = counts_.emplace(std::string(view.endpoint), PredictionCount()).first;
  PredictionCount& count = found->second;
  ++count.requests;
  count.rows += view.rows;
  if (view.status_code != 0) {
    ++count.failed_requests;
    count.failed_rows += view.rows;
  }
}

base::Status PredictionLog::LoadIndex(
    const std::function<void(std::string_view bytes, const PredictionView&)>& visit) {
  base::Status failure;
  PredictionView view;
  TRY(store_->Scan({}, [&](RecordPosition position, std::string_view bytes) {
    failure = ReadPrediction(bytes, view);
    if (!failure.ok()) {
      failure = std::move(failure).Annotate("prediction log, segment " +
                                            std::to_string(position.segment) + ", offset " +
                                            std::to_string(position.offset));
      return false;
    }
    AddToIndex(position, view);
    visit(bytes, view);
    return true;
  }));
  return failure;
}

base::Result<std::string> PredictionLog::GetBytes(std::string_view record_id) const {
  const UlidBits id = TRY(ParseUlid(record_id));
  std::optional<RecordPosition> recent;
  {
    const std::lock_guard lock(mutex_);
    recent = index_->FindRecent(id);
  }
  PredictionView view;
  if (recent) {
    std::string bytes = TRY(store_->ReadAt(*recent));
    TRY(ReadPrediction(bytes, view));
    if (view.id == id) return bytes;
  }
  std::vector<Granule> granules;
  {
    const std::lock_guard lock(mutex_);
    granules = index_->WithId(id);
  }
  for (const Granule& granule : granules) {
    std::optional<std::string> found;
    TRY(ScanGranule(*store_, granule,
                    [&](RecordPosition, std::string_view bytes, const PredictionView& seen) {
                      if (seen.id == id) found = bytes;
                      return !found;
                    }));
    if (found) return *std::move(found);
  }
  return base::NotFound("prediction_not_found",
                        "no prediction '" + std::string(record_id) + "' was logged");
}

base::Result<LoggedPrediction> PredictionLog::Get(std::string_view prediction_id) const {
  const PredictionId id = TRY(ParsePredictionId(prediction_id));
  const PredictionRecord record = TRY(DecodePrediction(TRY(GetBytes(id.record_id))));
  if (id.row >= record.rows) {
    return base::NotFound("prediction_not_found",
                          "prediction '" + id.record_id + "' has " + std::to_string(record.rows) +
                              " rows, there is no row " + std::to_string(id.row));
  }
  return RowOf(record, id.row);
}

base::Result<std::string> PredictionLog::FindByRequestId(std::string_view endpoint,
                                                         std::string_view request_id) const {
  std::optional<RecordPosition> position;
  {
    const std::lock_guard lock(mutex_);
    position = index_->FindRequest(endpoint, request_id);
  }
  if (position) {
    std::string bytes = TRY(store_->ReadAt(*position));
    PredictionView view;
    TRY(ReadPrediction(bytes, view));
    if (view.endpoint == endpoint && view.request_id == request_id) return bytes;
  }
  return base::NotFound("prediction_not_found",
                        "no recent prediction with request id '" + std::string(request_id) + "'");
}

bool PredictionLog::HasForgottenRequests() const {
  const std::lock_guard lock(mutex_);
  return index_->forgot_requests();
}

base::Result<PredictionPage> PredictionLog::List(const PredictionFilter& filter) const {
  if (filter.limit < 1 || filter.limit > kMaxPredictionsInPage) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMaxPredictionsInPage));
  }
  const PageToken token = TRY(PageToken::Parse(filter.page_token));
  std::vector<Granule> granules;
  {
    const std::lock_guard lock(mutex_);
    granules = index_->Between(filter.endpoint, filter.since.value_or(-kEver),
                               filter.until.value_or(kEver));
  }
  std::erase_if(granules, [&](const Granule& granule) { return granule.first > token.position; });
  PredictionPage page;
  for (size_t read = 0; read < granules.size(); ++read) {
    const Granule& granule = granules[granules.size() - 1 - read];
    if (read == kMaxGranulesInPage) {
      // Everything from this granule on is left to the next page.
      page.next_page_token = PageToken{{granule.first.segment, granule.end_offset}, 0}.Print();
      return page;
    }
    std::vector<RawRecord> matches;
    TRY(ScanGranule(
        *store_, granule,
        [&](RecordPosition position, std::string_view bytes, const PredictionView& view) {
          if (position <= token.position && Matches(filter, view))
            matches.push_back({position, std::string(bytes)});
          return true;
        }));
    for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
      const PredictionRecord record = TRY(DecodePrediction(match->bytes));
      const int64_t end =
          match->position == token.position ? std::min(token.row, record.rows) : record.rows;
      for (int64_t row = end; row-- > 0;) {
        LoggedPrediction found = RowOf(record, row);
        if (filter.accepts && !filter.accepts(found)) continue;
        page.predictions.push_back(std::move(found));
        if (static_cast<int64_t>(page.predictions.size()) < filter.limit) continue;
        page.next_page_token = PageToken{match->position, row}.Print();
        return page;
      }
    }
  }
  return page;
}

base::Status PredictionLog::Visit(const std::string& endpoint, base::Micros since,
                                  base::Micros until,
                                  const std::function<bool(const PredictionView&)>& visit) const {
  std::vector<Granule> granules;
  {
    const std::lock_guard lock(mutex_);
    granules = index_->Between(endpoint, since, until);
  }
  bool go_on = true;
  for (const Granule& granule : granules) {
    TRY(ScanGranule(*store_, granule,
                    [&](RecordPosition, std::string_view, const PredictionView& view) {
                      const bool wanted = view.time >= since && view.time < until &&
                                          (endpoint.empty() || view.endpoint == endpoint);
                      if (wanted) go_on = visit(view);
                      return go_on;
                    }));
    if (!go_on) break;
  }
  return base::Status::Ok();
}

PredictionCount PredictionLog::Count(const std::string& endpoint) const {
  const std::lock_guard lock(mutex_);
  PredictionCount total;
  for (const auto& [name, count] : counts_) {
    if (!endpoint.empty() && name != endpoint) continue;
    total.requests += count.requests;
    total.rows += count.rows;
    total.failed_requests += count.failed_requests;
    total.failed_rows += count.failed_rows;
  }
  return total;
}

bool PredictionLog::HasOpenBefore(base::Micros time) const {
  const int64_t open = segments_.End().segment;
  const std::lock_guard lock(mutex_);
  const std::vector<Granule> granules = index_->Between("", -kEver, time);
  return std::any_of(granules.begin(), granules.end(),
                     [open](const Granule& granule) { return granule.first.segment == open; });
}

std::vector<std::string> PredictionLog::Endpoints() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(counts_.size());
  for (const auto& [name, count] : counts_) names.push_back(name);
  return names;
}

}  // namespace slipway::monitoring
