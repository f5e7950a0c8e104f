// SPDX-License-Identifier: Apache-2.0
// JsonReader: walks JSON text once, without a tree, so that numbers go from the body straight into
// tensors. Private to the room. Strict RFC 8259 but for NaN, Infinity and -Infinity, which many
// clients write and which come as a type of their own.
//
//   reader.EnterObject();
//   while (reader.NextKey(key)) { ... exactly one value is read or skipped ... }
//
// After a syntax error every call returns false or kBad; error() then says what is wrong and where.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace slipway::api::oip {

inline constexpr size_t kMaxJsonDepth = 64;

enum class JsonType { kObject, kArray, kString, kNumber, kBool, kNull, kNonFinite, kBad };
std::string_view JsonTypeText(JsonType type);  // "an object", "a number" ...

// Not thread-safe; `text` must outlive it. A copy goes on from the same place by itself.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  JsonType Peek();  // of the value that comes next

  // Each consumes the value that Peek announced; false (and a syntax error) when it is another.
  bool EnterObject();
  bool EnterArray();
  bool ReadString(std::string& out);
  bool ReadBool(bool& out);
  bool ReadNull();
  // The number's characters, checked against JSON's grammar.
  bool ReadNumber(std::string_view& out);
  // "NaN", "Infinity" or "-Infinity".
  bool ReadNonFinite(std::string_view& out);
  bool Skip();  // any value
  // Of an array's items, those from here on that are short numbers with nothing but a comma and
  // blanks between them: at most `most`, into `out`. Says how many; NextItem goes on behind them.
  template <typename T>  // float or double
  size_t ReadNumbers(T* out, size_t most);

  // False at the end of the object or array, which is then consumed, or on an error.
  bool NextKey(std::string_view& key);  // valid until the next NextKey
  bool NextItem();

  // Nothing but spaces is left.
  bool AtEnd();
  bool ok() const { return problem_ == nullptr; }
  base::Status error() const;  // kInvalidArgument, field "body"; Ok when there was none
  size_t place() const { return place_; }

 private:
  bool Fail(const char* problem);
  static bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  void SkipSpaces() {
    while (place_ < text_.size() && IsSpace(text_[place_])) ++place_;
  }
  bool Take(char expected, const char* problem);
  bool TakeWord(std::string_view word);
  bool Enter(char open, const char* problem);
  bool SkipPlain(JsonType type);
  bool Leave();
  bool NextMember(char close);
  bool ReadPlain(std::string_view& out);
  bool ReadEscape(std::string& out);
  bool ReadHex(unsigned& out);
  bool SkipDigits();

  std::string_view text_;
  size_t place_ = 0;
  size_t depth_ = 0;
  bool fresh_ = false;  // just entered: no comma is due before the next member
  const char* problem_ = nullptr;
  std::string key_;  // a key that has escapes
};

}  // namespace slipway::api::oip
