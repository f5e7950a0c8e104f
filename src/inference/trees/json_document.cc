// SPDX-License-Identifier: Apache-2.0
// Loading a version: XGBoost's JSON. Read here and not by base::Json because a number must become
// the float that is nearest to its digits (not the float nearest to a double), NaN and Infinity are
// numbers, and there are millions.
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/status.h"
#include "inference/trees/document.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {
namespace {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  base::Result<Value> Document() {
    Value value = TRY(Read(0));
    SkipSpace();
    if (at_ != text_.size()) return Wrong("expected the end of the file");
    return value;
  }

 private:
  [[nodiscard]] base::Status Wrong(const std::string& why) const {
    return BadModel("byte " + std::to_string(at_) + " of its JSON: " + why);
  }
  void SkipSpace() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  [[nodiscard]] char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  // After a blank.
  bool TakeNext(char wanted) {
    SkipSpace();
    return Take({&wanted, 1});
  }

  base::Result<Value> Read(int depth) {
    SkipSpace();
    if (depth > kMostDocumentDepth) return Wrong("nested too deep");
    if (++values_ > kMostDocumentValues) return Wrong("too many values");
    if (Peek() == '{') return Object(depth);
    if (Peek() == '[') return Array(depth);
    if (Peek() == '"') return Value(TRY(String()));
    if (Take("null")) return Value();
    return Value(TRY(Number()));
  }

  base::Result<double> Number() {
    if (Take("true")) return 1.0;
    if (Take("false")) return 0.0;
    if (Take("NaN") || Take("nan")) return std::numeric_limits<double>::quiet_NaN();
    const double sign = Take("-") ? -1.0 : 1.0;
    if (Take("Infinity") || Take("inf")) return sign * std::numeric_limits<double>::infinity();
    return sign * TRY(Digits());
  }

  base::Result<double> Digits() {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view("0123456789+-.eE").find(text_[at_]) != std::string_view::npos)
      ++at_;
    const std::string_view digits = text_.substr(begin, at_ - begin);
    const bool integer = digits.find_first_of(".eE") == std::string_view::npos;
    double value = 0;
    float single = 0;
    const auto read = integer ? std::from_chars(digits.begin(), digits.end(), value)
                              : std::from_chars(digits.begin(), digits.end(), single);
    // Too small for a float is zero, too large infinite, as the library reads them.
    if (read.ec == std::errc::result_out_of_range && !integer) {
      double wide = 0;
      std::from_chars(digits.begin(), digits.end(), wide);
      single = std::fabs(wide) > 1 ? std::numeric_limits<float>::infinity() : 0.0F;
    } else if (read.ec != std::errc()) {
      at_ = begin;
      return Wrong("expected a value");
    }
    if (read.ptr != digits.end() || digits.front() == '+') return Wrong("not a number");
    return integer ? value : static_cast<double>(single);
  }

  base::Result<Value> Array(int depth) {
    ++at_;
    Value::Numbers numbers;
    Value::Array values;
    if (TakeNext(']')) return Value(std::move(numbers));
    do {
      Value value = TRY(Read(depth + 1));
      if (value.number() != nullptr && values.empty()) {
        numbers.push_back(*value.number());
        continue;
      }
      // Not numbers only: those so far become values too.
      for (const double number : numbers) values.emplace_back(number);
      numbers.clear();
      values.push_back(std::move(value));
    } while (TakeNext(','));
    if (!TakeNext(']')) return Wrong("expected , or ]");
    return values.empty() ? Value(std::move(numbers)) : Value(std::move(values));
  }

  base::Result<Value> Object(int depth) {
    ++at_;
    Value::Object members;
    if (TakeNext('}')) return Value(std::move(members));
    do {
      SkipSpace();
      if (Peek() != '"') return Wrong("expected a key");
      std::string key = TRY(String());
      if (!TakeNext(':')) return Wrong("expected :");
      members.emplace_back(std::move(key), TRY(Read(depth + 1)));
    } while (TakeNext(','));
    if (!TakeNext('}')) return Wrong("expected , or }");
    return Value(std::move(members));
  }

  base::Result<std::string> String() {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        out += text_[at_];
        continue;
      }
      ++at_;
      constexpr std::string_view kEscaped = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
      const size_t place = kEscaped.find(Peek());
      if (Peek() == 'u') {
        TRY(Unicode(out));
      } else if (at_ < text_.size() && place != std::string_view::npos) {
        out += kMeant[place];
      } else {
        return Wrong("unknown escape in a string");
      }
    }
    if (at_ >= text_.size()) return Wrong("a string has no end");
    ++at_;
    return out;
  }

  // \uXXXX of the basic plane, left at its last digit; surrogates stand for themselves (names of
  // features only).
  base::Status Unicode(std::string& out) {
    const std::string_view digits = text_.substr(at_ + 1, 4);
    uint32_t code = 0;
    const auto read = std::from_chars(digits.begin(), digits.end(), code, 16);
    if (digits.size() != 4 || read.ptr != digits.end())
      return Wrong("expected four hexadecimal digits");
    at_ += 4;
    const auto add = [&out](uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xc0 | code >> 6);
      add(0x80 | (code & 0x3f));
    } else {
      add(0xe0 | code >> 12);
      add(0x80 | (code >> 6 & 0x3f));
      add(0x80 | (code & 0x3f));
    }
    return base::Status::Ok();
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
};

}  // namespace

base::Result<Value> ParseJsonDocument(std::string_view text) { return JsonReader(text).Document(); }

}  // namespace slipway::inference::trees
