// SPDX-License-Identifier: Apache-2.0
// A row group's columns become spans: the bytes that Arrow decoded where they already have the
// right form, else a converted copy.
#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/parquet.h"
#include "storage/parquet_parts.h"

namespace slipway::storage {
namespace {

using Keep = std::vector<std::shared_ptr<const void>>;
constexpr int64_t kMicrosOfDay = 86'400'000'000;

template <typename T>
std::span<const T> Own(std::vector<T> values, Keep& keep) {
  auto owned = std::make_shared<std::vector<T>>(std::move(values));
  const std::span<const T> span(*owned);
  keep.push_back(std::move(owned));
  return span;
}

std::span<const uint8_t> PresentOf(const arrow::Array& array, Keep& keep) {
  if (array.null_count() == 0) return {};
  std::vector<uint8_t> present(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i)
    present[static_cast<size_t>(i)] = array.IsValid(i) ? 1 : 0;
  return Own(std::move(present), keep);
}

// Each element through `convert`; what is missing stays zero.
template <typename To, typename ArrayType, typename Convert>
std::span<const To> Converted(const arrow::Array& array, Keep& keep, Convert convert) {
  const auto& typed = static_cast<const ArrayType&>(array);
  std::vector<To> values(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i) {
    if (typed.IsValid(i)) values[static_cast<size_t>(i)] = convert(typed, i);
  }
  return Own(std::move(values), keep);
}

template <typename ArrayType>
std::span<const int64_t> Widened(const arrow::Array& array, Keep& keep) {
  return Converted<int64_t, ArrayType>(array, keep, [](const ArrayType& typed, int64_t i) {
    return static_cast<int64_t>(typed.Value(i));
  });
}

template <typename ArrayType>
std::span<const std::string_view> Texts(const arrow::Array& array, Keep& keep) {
  return Converted<std::string_view, ArrayType>(
      array, keep, [](const ArrayType& typed, int64_t i) { return typed.GetView(i); });
}

base::Result<std::span<const int64_t>> Integers(const arrow::Array& array,
                                                const std::string& column, Keep& keep) {
  const auto size = static_cast<size_t>(array.length());
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return Widened<arrow::Int8Array>(array, keep);
    case arrow::Type::INT16:
      return Widened<arrow::Int16Array>(array, keep);
    case arrow::Type::INT32:
      return Widened<arrow::Int32Array>(array, keep);
    case arrow::Type::UINT8:
      return Widened<arrow::UInt8Array>(array, keep);
    case arrow::Type::UINT16:
      return Widened<arrow::UInt16Array>(array, keep);
    case arrow::Type::UINT32:
      return Widened<arrow::UInt32Array>(array, keep);
    case arrow::Type::UINT64: {
      const auto& typed = static_cast<const arrow::UInt64Array&>(array);
      for (int64_t i = 0; i < array.length(); ++i) {
        if (typed.IsValid(i) &&
            typed.Value(i) > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
          return base::InvalidArgument(
              column, "an integer of column " + column + " is greater than 9223372036854775807");
      }
      return Widened<arrow::UInt64Array>(array, keep);
    }
    default:
      return std::span(static_cast<const arrow::Int64Array&>(array).raw_values(), size);
  }
}

std::span<const int64_t> Times(const arrow::Array& array, Keep& keep) {
  if (array.type_id() == arrow::Type::DATE32) {
    return Converted<int64_t, arrow::Date32Array>(array, keep,
                                                  [](const arrow::Date32Array& typed, int64_t i) {
                                                    return int64_t{typed.Value(i)} * kMicrosOfDay;
                                                  });
  }
  if (array.type_id() == arrow::Type::DATE64) {
    return Converted<int64_t, arrow::Date64Array>(
        array, keep,
        [](const arrow::Date64Array& typed, int64_t i) { return typed.Value(i) * 1000; });
  }
  const auto unit = static_cast<const arrow::TimestampType&>(*array.type()).unit();
  if (unit == arrow::TimeUnit::MICRO)
    return {static_cast<const arrow::TimestampArray&>(array).raw_values(),
            static_cast<size_t>(array.length())};
  return Converted<int64_t, arrow::TimestampArray>(
      array, keep, [unit](const arrow::TimestampArray& typed, int64_t i) {
        const int64_t value = typed.Value(i);
        if (unit == arrow::TimeUnit::SECOND) return value * 1'000'000;
        if (unit == arrow::TimeUnit::MILLI) return value * 1000;
        return value >= 0 ? value / 1000 : -((-value + 999) / 1000);  // earlier, not nearer to 0
      });
}

std::span<const double> Decimals(const arrow::Array& array, Keep& keep) {
  const int32_t scale = static_cast<const arrow::DecimalType&>(*array.type()).scale();
  if (array.type_id() == arrow::Type::DECIMAL256) {
    return Converted<double, arrow::Decimal256Array>(
        array, keep, [scale](const arrow::Decimal256Array& typed, int64_t i) {
          return arrow::Decimal256(typed.GetValue(i)).ToDouble(scale);
        });
  }
  return Converted<double, arrow::Decimal128Array>(
      array, keep, [scale](const arrow::Decimal128Array& typed, int64_t i) {
        return arrow::Decimal128(typed.GetValue(i)).ToDouble(scale);
      });
}

template <typename T>
std::span<const T> Gathered(std::span<const T> values, const arrow::DictionaryArray& array,
                            Keep& keep) {
  if (values.empty()) return Own(std::vector<T>(static_cast<size_t>(array.length())), keep);
  return Converted<T, arrow::DictionaryArray>(
      array, keep, [values](const arrow::DictionaryArray& typed, int64_t i) {
        return values[static_cast<size_t>(typed.GetValueIndex(i))];
      });
}

base::Result<ParquetValues> Categories(const arrow::DictionaryArray& array,
                                       const std::string& column, Keep& keep) {
  const ParquetValues dictionary = TRY(ValuesOf(array.dictionary(), column, keep));
  ParquetValues values;
  values.type = dictionary.type;
  values.present = PresentOf(array, keep);
  switch (dictionary.type) {
    case ParquetType::kBool:
      values.bools = Gathered(dictionary.bools, array, keep);
      break;
    case ParquetType::kInt:
    case ParquetType::kTime:
      values.ints = Gathered(dictionary.ints, array, keep);
      break;
    case ParquetType::kFloat:
      values.floats = Gathered(dictionary.floats, array, keep);
      break;
    case ParquetType::kDouble:
      values.doubles = Gathered(dictionary.doubles, array, keep);
      break;
    default:
      values.texts = Gathered(dictionary.texts, array, keep);
  }
  return values;
}

std::span<const float> Floats(const arrow::Array& array, Keep& keep) {
  if (array.type_id() == arrow::Type::FLOAT)
    return {static_cast<const arrow::FloatArray&>(array).raw_values(),
            static_cast<size_t>(array.length())};
  return Converted<float, arrow::HalfFloatArray>(
      array, keep, [](const arrow::HalfFloatArray& typed, int64_t i) {
        return arrow::util::Float16::FromBits(typed.Value(i)).ToFloat();
      });
}

std::span<const std::string_view> TextsOf(const arrow::Array& array, Keep& keep) {
  switch (array.type_id()) {
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return Texts<arrow::LargeBinaryArray>(array, keep);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return Texts<arrow::BinaryViewArray>(array, keep);
    case arrow::Type::FIXED_SIZE_BINARY:
      return Texts<arrow::FixedSizeBinaryArray>(array, keep);
    default:
      return Texts<arrow::BinaryArray>(array, keep);
  }
}

}  // namespace

ParquetType TypeOf(const arrow::DataType& type) {
  using Id = arrow::Type;
  static const std::map<Id::type, ParquetType> kTypes = {
      {Id::BOOL, ParquetType::kBool},
      {Id::INT8, ParquetType::kInt},
      {Id::INT16, ParquetType::kInt},
      {Id::INT32, ParquetType::kInt},
      {Id::INT64, ParquetType::kInt},
      {Id::UINT8, ParquetType::kInt},
      {Id::UINT16, ParquetType::kInt},
      {Id::UINT32, ParquetType::kInt},
      {Id::UINT64, ParquetType::kInt},
      {Id::HALF_FLOAT, ParquetType::kFloat},
      {Id::FLOAT, ParquetType::kFloat},
      {Id::DOUBLE, ParquetType::kDouble},
      {Id::DECIMAL128, ParquetType::kDouble},
      {Id::DECIMAL256, ParquetType::kDouble},
      {Id::STRING, ParquetType::kText},
      {Id::LARGE_STRING, ParquetType::kText},
      {Id::STRING_VIEW, ParquetType::kText},
      {Id::BINARY, ParquetType::kBytes},
      {Id::LARGE_BINARY, ParquetType::kBytes},
      {Id::BINARY_VIEW, ParquetType::kBytes},
      {Id::FIXED_SIZE_BINARY, ParquetType::kBytes},
      {Id::DATE32, ParquetType::kTime},
      {Id::DATE64, ParquetType::kTime},
      {Id::TIMESTAMP, ParquetType::kTime}};
  if (type.id() == Id::DICTIONARY)
    return TypeOf(*static_cast<const arrow::DictionaryType&>(type).value_type());
  const auto found = kTypes.find(type.id());
  return found == kTypes.end() ? ParquetType::kOther : found->second;
}

base::Result<ParquetValues> ValuesOf(const std::shared_ptr<arrow::Array>& array,
                                     const std::string& column, Keep& keep) {
  if (array->type_id() == arrow::Type::DICTIONARY)
    return Categories(static_cast<const arrow::DictionaryArray&>(*array), column, keep);
  ParquetValues values;
  values.type = TypeOf(*array->type());
  values.present = PresentOf(*array, keep);
  switch (values.type) {
    case ParquetType::kBool:
      values.bools = Converted<uint8_t, arrow::BooleanArray>(
          *array, keep, [](const arrow::BooleanArray& typed, int64_t i) {
            return static_cast<uint8_t>(typed.Value(i));
          });
      break;
    case ParquetType::kInt:
      values.ints = TRY(Integers(*array, column, keep));
      break;
    case ParquetType::kTime:
      values.ints = Times(*array, keep);
      break;
    case ParquetType::kFloat:
      values.floats = Floats(*array, keep);
      break;
    case ParquetType::kDouble:
      values.doubles = array->type_id() == arrow::Type::DOUBLE
                           ? std::span(static_cast<const arrow::DoubleArray&>(*array).raw_values(),
                                       static_cast<size_t>(array->length()))
                           : Decimals(*array, keep);
      break;
    default:
      values.texts = TextsOf(*array, keep);
  }
  keep.push_back(array);
  return values;
}

}  // namespace slipway::storage
