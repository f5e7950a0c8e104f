// SPDX-License-Identifier: Apache-2.0
// A prediction's walk, last step before its answer: the record becomes bytes; and back, when
// somebody asks for it.
#include "monitoring/record_codec.h"

#include <limits>
#include <utility>

#include "base/byte_codec.h"

namespace slipway::monitoring {
namespace {

using base::ByteReader;
using base::ByteWriter;

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kUlidText = 26;
// After the tensors, only where one holds: most records stay a byte shorter.
constexpr uint8_t kCachedFlag = 1;
constexpr uint8_t kFeatureViewsFlag = 2;
constexpr size_t kMaxFeatureViews = 1000;

std::array<int8_t, 256> CrockfordValues() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kCrockford.size(); ++i)
    values[static_cast<uint8_t>(kCrockford[i])] = static_cast<int8_t>(i);
  return values;
}

base::Status BadRecord(std::string_view what) {
  return {base::Code::kDataLoss, "bad_record", "a log record is damaged: " + std::string(what)};
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void WriteTensor(ByteWriter& out, const Tensor& tensor) {
  out.Fixed(static_cast<uint8_t>(tensor.type()));
  out.Varint(tensor.shape().size());
  for (const int64_t dimension : tensor.shape()) out.Varint(static_cast<uint64_t>(dimension));
  if (tensor.type() == DataType::kString) {
    for (const std::string& text : tensor.strings()) out.Text(text);
  } else {
    out.Raw(AsText(tensor.bytes()));
  }
}

void WriteTensors(ByteWriter& out, const std::vector<NamedTensor>& tensors) {
  out.Varint(tensors.size());
  for (const NamedTensor& named : tensors) {
    out.Text(named.name);
    out.Fixed(static_cast<uint8_t>(named.labels != nullptr ? 1 : 0));
    WriteTensor(out, named.tensor);
    if (named.labels != nullptr) WriteTensor(out, *named.labels);
  }
}

// What is wrong, or nullptr: a Status for each tensor would cost more than reading it.
const char* ReadTensor(ByteReader& in, TensorView& view) {
  const uint8_t type = in.Fixed<uint8_t>();
  const uint64_t rank = in.Varint();
  if (!in.ok() || type > static_cast<uint8_t>(DataType::kString) || rank > kMaxRank) {
    return "tensor type or rank";
  }
  view.type = static_cast<DataType>(type);
  view.rank = rank;
  view.count = 1;
  for (size_t i = 0; i < rank; ++i) {
    const uint64_t dimension = in.Varint();
    // An element takes at least a byte: this bounds the memory by the record's own size.
    if (dimension > in.remaining()) return "tensor shape";
    view.dimensions[i] = static_cast<int64_t>(dimension);
    if (__builtin_mul_overflow(view.count, view.dimensions[i], &view.count)) return "tensor shape";
  }
  const uint64_t count = static_cast<uint64_t>(view.count);
  if (!in.ok() || count > in.remaining()) return "tensor shape";
  if (view.type == DataType::kString) {
    const std::string_view rest = in.Rest();
    for (uint64_t i = 0; i < count; ++i) in.Text();
    view.bytes = rest.substr(0, rest.size() - in.remaining());
  } else {
    view.bytes = in.Raw(count * inference::SizeOf(view.type));
  }
  return in.ok() ? nullptr : "tensor elements";
}

const char* ReadTensors(ByteReader& in, std::vector<TensorView>& views) {
  const uint64_t count = in.Varint();
  if (!in.ok() || count > kMaxTensorsInRecord) return "number of tensors";
  views.resize(count);
  for (TensorView& view : views) {
    view.name = in.Text();
    const bool has_labels = in.Fixed<uint8_t>() != 0;
    if (const char* wrong = ReadTensor(in, view)) return wrong;
    view.label_bytes = {};
    if (has_labels) {
      const std::string_view rest = in.Rest();
      TensorView labels;
      if (const char* wrong = ReadTensor(in, labels)) return wrong;
      view.label_bytes = rest.substr(0, rest.size() - in.remaining());
    }
  }
  return nullptr;
}

base::Result<std::vector<NamedTensor>> CopyTensors(const std::vector<TensorView>& views) {
  std::vector<NamedTensor> tensors;
  tensors.reserve(views.size());
  for (const TensorView& view : views) {
    NamedTensor named{std::string(view.name), CopyTensor(view)};
    auto labels = TRY(CopyColumnLabels(view));
    if (labels) named.labels = std::make_shared<const Tensor>(std::move(*labels));
    tensors.push_back(std::move(named));
  }
  return tensors;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0)
    return std::bit_cast<float>(sign) +
           (sign != 0 ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

template <typename T>
T ElementAt(std::string_view bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

base::Status CheckTensors(const std::vector<NamedTensor>& tensors, std::string_view field) {
  if (tensors.size() > kMaxTensorsInRecord) {
    return base::InvalidArgument(
        std::string(field),
        "at most " + std::to_string(kMaxTensorsInRecord) + " tensors are logged");
  }
  for (const NamedTensor& named : tensors) {
    if (named.tensor.shape().size() > kMaxRank) {
      return base::InvalidArgument(std::string(field) + "." + named.name,
                                   "a tensor's rank is at most " + std::to_string(kMaxRank));
    }
  }
  return base::Status::Ok();
}

// Bytes a record will take, not much less.
size_t GuessSize(const PredictionRecord& record) {
  size_t size =
      160 + record.endpoint.size() + record.model.size() + record.key.size() + record.error.size();
  for (const auto* tensors : {&record.inputs, &record.outputs}) {
    for (const NamedTensor& named : *tensors) {
      size +=
          named.name.size() + 16 + named.tensor.bytes().size() + named.tensor.strings().size() * 12;
    }
  }
  return size;
}

void WriteFeatureViews(ByteWriter& out, const std::vector<FeatureViewVersion>& views) {
  out.Varint(views.size());
  for (const FeatureViewVersion& view : views) {
    out.Text(view.name);
    out.Signed(view.version);
  }
}

// What stands behind the tensors; what is wrong, or nullptr.
const char* ReadExtras(ByteReader& in, uint8_t format, PredictionView& view) {
  view.cached = false;
  view.feature_views = {};
  if (!in.ok() || in.AtEnd()) return nullptr;
  const auto flags = in.Fixed<uint8_t>();
  const int most = format == kPlainPredictionFormat ? kCachedFlag : kCachedFlag | kFeatureViewsFlag;
  if (flags == 0 || flags > most) return "flags";
  view.cached = (flags & kCachedFlag) != 0;
  if ((flags & kFeatureViewsFlag) == 0) return nullptr;
  const std::string_view rest = in.Rest();
  const uint64_t count = in.Varint();
  if (!in.ok() || count == 0 || count > kMaxFeatureViews) return "number of feature views";
  for (uint64_t i = 0; i < count; ++i) {
    in.Text();
    in.Signed();
  }
  view.feature_views = rest.substr(0, rest.size() - in.remaining());
  return nullptr;
}

double FloatAt(DataType type, std::string_view bytes, int64_t index) {
  switch (type) {
    case DataType::kFp16:
      return HalfToFloat(ElementAt<uint16_t>(bytes, index));
    case DataType::kBf16:
      return std::bit_cast<float>(static_cast<uint32_t>(ElementAt<uint16_t>(bytes, index)) << 16);
    case DataType::kFp32:
      return ElementAt<float>(bytes, index);
    case DataType::kFp64:
      return ElementAt<double>(bytes, index);
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

enum class LabelKind : uint8_t { kFalse = 0, kTrue = 1, kNumber = 2, kText = 3 };

void WriteLabelValue(ByteWriter& out, const LabelValue& value) {
  if (const bool* truth = std::get_if<bool>(&value)) {
    out.Fixed(*truth ? LabelKind::kTrue : LabelKind::kFalse);
  } else if (const double* number = std::get_if<double>(&value)) {
    out.Fixed(LabelKind::kNumber);
    out.Fixed(*number);
  } else {
    out.Fixed(LabelKind::kText);
    out.Text(std::get<std::string>(value));
  }
}

base::Result<LabelValue> ReadLabelValue(ByteReader& in) {
  switch (static_cast<LabelKind>(in.Fixed<uint8_t>())) {
    case LabelKind::kFalse:
      return LabelValue(false);
    case LabelKind::kTrue:
      return LabelValue(true);
    case LabelKind::kNumber:
      return LabelValue(in.Fixed<double>());
    case LabelKind::kText:
      return LabelValue(std::string(in.Text()));
  }
  return BadRecord("kind of a label's value");
}

}  // namespace

std::vector<FeatureViewVersion> ReadFeatureViews(std::string_view encoded) {
  ByteReader in(encoded);
  std::vector<FeatureViewVersion> views(encoded.empty() ? 0 : in.Varint());
  for (FeatureViewVersion& view : views) {
    view.name = in.Text();
    view.version = in.Signed();
  }
  return views;
}

base::Result<UlidBits> ParseUlid(std::string_view text) {
  static const std::array<int8_t, 256> kValues = CrockfordValues();
  // 26 characters hold 130 bits: the first one is at most 7.
  bool good = text.size() == kUlidText && text[0] <= '7';
  UlidBits bits;
  for (size_t i = 0; i < text.size() && good; ++i) {
    const int8_t value = kValues[static_cast<uint8_t>(text[i])];
    good = value >= 0;
    bits.high = (bits.high << 5) | (bits.low >> 59);
    bits.low = (bits.low << 5) | static_cast<uint64_t>(value & 31);
  }
  if (!good)
    return base::InvalidArgument(
        "id", "expected a ULID of 26 characters, got '" + std::string(text.substr(0, 64)) + "'");
  return bits;
}

std::string FormatUlid(UlidBits bits) {
  std::string text(kUlidText, '0');
  for (size_t i = kUlidText; i-- > 0;) {
    text[i] = kCrockford[bits.low & 31];
    bits.low = (bits.low >> 5) | (bits.high << 59);
    bits.high >>= 5;
  }
  return text;
}

base::Result<std::string> EncodePrediction(const PredictionRecord& record) {
  const UlidBits id = TRY(ParseUlid(record.id));
  TRY(CheckTensors(record.inputs, "inputs"));
  TRY(CheckTensors(record.outputs, "outputs"));
  if (record.feature_views.size() > kMaxFeatureViews) {
    return base::InvalidArgument("feature_views", "at most " + std::to_string(kMaxFeatureViews) +
                                                      " feature views are logged");
  }
  ByteWriter out(GuessSize(record));
  const auto flags = static_cast<uint8_t>((record.cached ? kCachedFlag : 0) |
                                          (record.feature_views.empty() ? 0 : kFeatureViewsFlag));
  out.Fixed(flags > kCachedFlag ? kPredictionFormat : kPlainPredictionFormat);
  out.Fixed(id.high);
  out.Fixed(id.low);
  out.Fixed(record.time);
  for (const int64_t number : {record.version, record.plan_epoch, record.rows, record.queue_ns,
                               record.run_ns, record.total_ns, int64_t{record.status_code}}) {
    out.Signed(number);
  }
  for (const std::string* text : {&record.endpoint, &record.model, &record.arm, &record.key,
                                  &record.request_id, &record.protocol, &record.error}) {
    out.Text(*text);
  }
  WriteTensors(out, record.inputs);
  WriteTensors(out, record.outputs);
  if (flags != 0) out.Fixed(flags);
  if (!record.feature_views.empty()) WriteFeatureViews(out, record.feature_views);
  return out.Take();
}

double TensorView::NumberAt(int64_t index) const {
  switch (type) {
    case DataType::kBool:
      return ElementAt<uint8_t>(bytes, index) != 0 ? 1 : 0;
    case DataType::kUint8:
      return ElementAt<uint8_t>(bytes, index);
    case DataType::kUint16:
      return ElementAt<uint16_t>(bytes, index);
    case DataType::kUint32:
      return ElementAt<uint32_t>(bytes, index);
    case DataType::kUint64:
      return static_cast<double>(ElementAt<uint64_t>(bytes, index));
    case DataType::kInt8:
      return ElementAt<int8_t>(bytes, index);
    case DataType::kInt16:
      return ElementAt<int16_t>(bytes, index);
    case DataType::kInt32:
      return ElementAt<int32_t>(bytes, index);
    case DataType::kInt64:
      return static_cast<double>(ElementAt<int64_t>(bytes, index));
    default:
      return FloatAt(type, bytes, index);
  }
}

base::Status ReadPrediction(std::string_view bytes, PredictionView& view) {
  ByteReader in(bytes);
  const uint8_t format = in.Fixed<uint8_t>();
  if (format != kPlainPredictionFormat && format != kPredictionFormat)
    return BadRecord("format " + std::to_string(format) + " is not known");
  view.id.high = in.Fixed<uint64_t>();
  view.id.low = in.Fixed<uint64_t>();
  view.time = in.Fixed<int64_t>();
  for (int64_t* number : {&view.version, &view.plan_epoch, &view.rows, &view.queue_ns, &view.run_ns,
                          &view.total_ns, &view.status_code}) {
    *number = in.Signed();
  }
  for (std::string_view* text : {&view.endpoint, &view.model, &view.arm, &view.key,
                                 &view.request_id, &view.protocol, &view.error}) {
    *text = in.Text();
  }
  for (std::vector<TensorView>* tensors : {&view.inputs, &view.outputs}) {
    if (const char* wrong = ReadTensors(in, *tensors)) return BadRecord(wrong);
  }
  if (const char* wrong = ReadExtras(in, format, view)) return BadRecord(wrong);
  if (!in.ok() || !in.AtEnd() || view.rows < 0)
    return BadRecord("its length does not fit its fields");
  return base::Status::Ok();
}

Tensor CopyTensor(const TensorView& view) {
  inference::Shape shape(view.dimensions.begin(),
                         view.dimensions.begin() + static_cast<std::ptrdiff_t>(view.rank));
  if (view.type == DataType::kString) {
    ByteReader in(view.bytes);
    std::vector<std::string> texts;
    texts.reserve(static_cast<size_t>(view.count));
    for (int64_t i = 0; i < view.count; ++i) texts.emplace_back(in.Text());
    return Tensor::Strings(std::move(shape), std::move(texts));
  }
  Tensor tensor(view.type, std::move(shape));
  if (!view.bytes.empty())
    std::memcpy(tensor.mutable_bytes().data(), view.bytes.data(), view.bytes.size());
  return tensor;
}

base::Result<std::optional<Tensor>> CopyColumnLabels(const TensorView& view) {
  if (view.label_bytes.empty()) return std::optional<Tensor>();
  ByteReader in(view.label_bytes);
  TensorView labels;
  if (const char* wrong = ReadTensor(in, labels)) return BadRecord(wrong);
  return std::optional<Tensor>(CopyTensor(labels));
}

base::Result<PredictionRecord> DecodePrediction(std::string_view bytes) {
  PredictionView view;
  TRY(ReadPrediction(bytes, view));
  PredictionRecord record;
  record.id = FormatUlid(view.id);
  record.time = view.time;
  record.endpoint = view.endpoint;
  record.model = view.model;
  record.version = view.version;
  record.arm = view.arm;
  record.plan_epoch = view.plan_epoch;
  record.key = view.key;
  record.request_id = view.request_id;
  record.protocol = view.protocol;
  record.rows = view.rows;
  record.queue_ns = view.queue_ns;
  record.run_ns = view.run_ns;
  record.cached = view.cached;
  record.feature_views = ReadFeatureViews(view.feature_views);
  record.total_ns = view.total_ns;
  record.status_code = static_cast<int>(view.status_code);
  record.error = view.error;
  record.inputs = TRY(CopyTensors(view.inputs));
  record.outputs = TRY(CopyTensors(view.outputs));
  return record;
}

std::string EncodeLabels(const LabelBatch& batch) {
  ByteWriter out(64 + batch.labels.size() * 48);
  out.Fixed(kLabelFormat);
  out.Fixed(batch.arrived);
  out.Text(batch.endpoint);
  out.Varint(batch.labels.size());
  for (const LabelInput& label : batch.labels) {
    out.Text(label.prediction_id);
    out.Text(label.request_id);
    out.Signed(label.row);
    out.Fixed(label.time);
    WriteLabelValue(out, label.value);
  }
  return out.Take();
}

base::Result<LabelBatch> DecodeLabels(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t format = in.Fixed<uint8_t>();
  if (format != kLabelFormat)
    return BadRecord("format " + std::to_string(format) + " is not known");
  LabelBatch batch;
  batch.arrived = in.Fixed<int64_t>();
  batch.endpoint = in.Text();
  const uint64_t count = in.Varint();
  if (!in.ok() || count > kMaxLabelsInBatch) return BadRecord("number of labels");
  for (uint64_t i = 0; i < count; ++i) {
    LabelInput label;
    label.prediction_id = in.Text();
    label.request_id = in.Text();
    label.row = in.Signed();
    label.time = in.Fixed<int64_t>();
    label.value = TRY(ReadLabelValue(in));
    batch.labels.push_back(std::move(label));
  }
  if (!in.ok() || !in.AtEnd()) return BadRecord("its length does not fit its fields");
  return batch;
}

}  // namespace slipway::monitoring
