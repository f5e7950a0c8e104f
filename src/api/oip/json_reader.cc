// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: the characters of its JSON.
#include "api/oip/json_reader.h"

#include <utility>

#include "api/oip/json_number.h"
#include "base/json.h"

namespace slipway::api::oip {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    }
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
  }
  out += static_cast<char>(0x80 | (code & 0x3F));
}

}  // namespace

std::string_view JsonTypeText(JsonType type) {
  switch (type) {
    case JsonType::kObject:
      return "an object";
    case JsonType::kArray:
      return "an array";
    case JsonType::kString:
      return "a string";
    case JsonType::kNumber:
      return "a number";
    case JsonType::kBool:
      return "true or false";
    case JsonType::kNull:
      return "null";
    case JsonType::kNonFinite:
      return "NaN or an infinity";
    case JsonType::kBad:
      break;
  }
  return "nothing";
}

bool JsonReader::Fail(const char* problem) {
  if (problem_ == nullptr) problem_ = problem;
  return false;
}

base::Status JsonReader::error() const {
  if (ok()) return base::Status::Ok();
  return base::InvalidArgument(
      "body", "not JSON: " + std::string(problem_) + " at byte " + std::to_string(place_),
      "not_json");
}

JsonType JsonReader::Peek() {
  if (!ok()) return JsonType::kBad;
  SkipSpaces();
  if (place_ == text_.size()) {
    Fail("the text ends where a value is expected");
    return JsonType::kBad;
  }
  switch (text_[place_]) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBool;
    case 'n':
      return JsonType::kNull;
    case 'N':
    case 'I':
      return JsonType::kNonFinite;
    case '-':
      return place_ + 1 < text_.size() && text_[place_ + 1] == 'I' ? JsonType::kNonFinite
                                                                   : JsonType::kNumber;
    default:
      if (IsDigit(text_[place_])) return JsonType::kNumber;
      Fail("expected a value");
      return JsonType::kBad;
  }
}

bool JsonReader::Take(char expected, const char* problem) {
  if (!ok()) return false;
  SkipSpaces();
  if (place_ == text_.size() || text_[place_] != expected) return Fail(problem);
  ++place_;
  return true;
}

bool JsonReader::TakeWord(std::string_view word) {
  if (!text_.substr(place_).starts_with(word)) return Fail("an unknown word");
  place_ += word.size();
  return true;
}

bool JsonReader::Enter(char open, const char* problem) {
  if (!Take(open, problem)) return false;
  if (++depth_ > kMaxJsonDepth) return Fail("objects and arrays within each other too deep");
  fresh_ = true;
  return true;
}

bool JsonReader::EnterObject() { return Enter('{', "expected an object"); }
bool JsonReader::EnterArray() { return Enter('[', "expected an array"); }

bool JsonReader::Leave() {
  ++place_;
  --depth_;
  fresh_ = false;
  return false;
}

// Stands before the next member, past its comma; false past the end of the object or array.
bool JsonReader::NextMember(char close) {
  if (!ok()) return false;
  SkipSpaces();
  if (place_ == text_.size()) return Fail("an object or array is not closed");
  if (text_[place_] == close) return Leave();
  if (!std::exchange(fresh_, false)) {
    if (text_[place_] != ',') return Fail("expected ',' or the end of the object or array");
    ++place_;
    SkipSpaces();
    if (place_ < text_.size() && text_[place_] == close)
      return Fail("a comma with nothing behind it");
  }
  return true;
}

bool JsonReader::NextKey(std::string_view& key) {
  if (!NextMember('}')) return false;
  if (!ReadPlain(key)) {
    if (!ReadString(key_)) return false;
    key = key_;
  }
  return Take(':', "expected ':'");
}

// A string of plain ASCII is read where it stands; false, and nothing consumed, for any other.
bool JsonReader::ReadPlain(std::string_view& out) {
  if (place_ == text_.size() || text_[place_] != '"') return false;
  const size_t begin = place_ + 1;
  size_t end = begin;
  while (end < text_.size() && text_[end] >= 0x20 && text_[end] != '"' && text_[end] != '\\') ++end;
  if (end == text_.size() || text_[end] != '"') return false;
  out = text_.substr(begin, end - begin);
  place_ = end + 1;
  return true;
}

bool JsonReader::NextItem() { return NextMember(']'); }

template <typename T>
size_t JsonReader::ReadNumbers(T* out, size_t most) {
  if (!ok()) return 0;
  size_t count = 0;
  for (size_t at = place_; count < most; ++count) {
    if (!fresh_ && (at == text_.size() || text_[at++] != ',')) break;
    while (at < text_.size() && IsSpace(text_[at])) ++at;
    const size_t used = ReadShortNumber(text_.substr(at), out[count]);
    if (used == 0) break;
    fresh_ = false;
    place_ = at += used;
  }
  return count;
}
template size_t JsonReader::ReadNumbers(float* out, size_t most);
template size_t JsonReader::ReadNumbers(double* out, size_t most);

bool JsonReader::AtEnd() {
  if (!ok()) return false;
  SkipSpaces();
  return place_ == text_.size() || Fail("more text behind the value");
}

bool JsonReader::ReadBool(bool& out) {
  if (Peek() != JsonType::kBool) return Fail("expected true or false");
  out = text_[place_] == 't';
  return TakeWord(out ? "true" : "false");
}

bool JsonReader::ReadNull() {
  return Peek() == JsonType::kNull ? TakeWord("null") : Fail("expected null");
}

bool JsonReader::ReadNonFinite(std::string_view& out) {
  if (Peek() != JsonType::kNonFinite) return Fail("expected NaN or an infinity");
  out = text_[place_] == 'N' ? "NaN" : text_[place_] == 'I' ? "Infinity" : "-Infinity";
  return TakeWord(out);
}

bool JsonReader::SkipDigits() {
  const size_t begin = place_;
  while (place_ < text_.size() && IsDigit(text_[place_])) ++place_;
  return place_ > begin || Fail("a number without the digits that it needs");
}

bool JsonReader::ReadNumber(std::string_view& out) {
  if (Peek() != JsonType::kNumber) return Fail("expected a number");
  const size_t begin = place_;
  const auto at = [&](char c) { return place_ < text_.size() && text_[place_] == c; };
  if (at('-')) ++place_;
  const bool zero = at('0');
  if (!SkipDigits()) return false;
  if (zero && place_ - begin > (text_[begin] == '-' ? 2U : 1U))
    return Fail("a number with a zero in front");
  if (at('.')) {
    ++place_;
    if (!SkipDigits()) return false;
  }
  if (at('e') || at('E')) {
    ++place_;
    if (at('+') || at('-')) ++place_;
    if (!SkipDigits()) return false;
  }
  out = text_.substr(begin, place_ - begin);
  return true;
}

bool JsonReader::ReadHex(unsigned& out) {
  if (text_.size() - place_ < 4) return Fail("\\u without four digits");
  out = 0;
  for (const size_t end = place_ + 4; place_ < end; ++place_) {
    const char c = text_[place_];
    const char lower = static_cast<char>(c | 0x20);
    if (!IsDigit(c) && (lower < 'a' || lower > 'f')) return Fail("\\u without four digits");
    out = out * 16 + static_cast<unsigned>(IsDigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return true;
}

// Behind the backslash.
bool JsonReader::ReadEscape(std::string& out) {
  if (place_ == text_.size()) return Fail("a string is not closed");
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const char letter = text_[place_++];
  if (letter != 'u') {
    const size_t which = kLetters.find(letter);
    if (which == kLetters.npos) return Fail("an unknown escape");
    out += kMeanings[which];
    return true;
  }
  unsigned code = 0;
  if (!ReadHex(code)) return false;
  if (code >= 0xD800 && code < 0xDC00) {
    unsigned low = 0;
    if (!text_.substr(place_).starts_with("\\u")) return Fail("half of a surrogate pair");
    place_ += 2;
    if (!ReadHex(low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return Fail("half of a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code < 0xE000) {
    return Fail("half of a surrogate pair");
  }
  AppendUtf8(out, code);
  return true;
}

bool JsonReader::ReadString(std::string& out) {
  if (!Take('"', "expected a string")) return false;
  out.clear();
  size_t plain = place_;  // start of the part not yet copied
  while (place_ < text_.size()) {
    const auto c = static_cast<unsigned char>(text_[place_]);
    if (c == '"') {
      out.append(text_, plain, place_ - plain);
      ++place_;
      return true;
    }
    if (c == '\\') {
      out.append(text_, plain, place_ - plain);
      ++place_;
      if (!ReadEscape(out)) return false;
      plain = place_;
    } else if (c < 0x20) {
      return Fail("a control character within a string");
    } else if (c < 0x80) {
      ++place_;
    } else {
      const size_t length = base::Utf8Length(text_.substr(place_));
      if (length == 0) return Fail("a string is not UTF-8");
      place_ += length;
    }
  }
  return Fail("a string is not closed");
}

bool JsonReader::SkipPlain(JsonType type) {
  std::string text;
  std::string_view token;
  bool flag = false;
  if (type == JsonType::kString) return ReadString(text);
  if (type == JsonType::kNumber) return ReadNumber(token);
  if (type == JsonType::kBool) return ReadBool(flag);
  if (type == JsonType::kNull) return ReadNull();
  return type == JsonType::kNonFinite && ReadNonFinite(token);
}

bool JsonReader::Skip() {
  const size_t outer = depth_;
  std::string_view key;
  // `closes` says of each object or array that was entered here how it ends.
  std::string closes;
  do {
    if (depth_ > outer) {
      const bool more = closes.back() == '}' ? NextKey(key) : NextItem();
      if (!ok()) return false;
      if (!more) {
        closes.pop_back();
        continue;
      }
    }
    const JsonType type = Peek();
    if (type == JsonType::kObject) {
      if (!EnterObject()) return false;
      closes += '}';
    } else if (type == JsonType::kArray) {
      if (!EnterArray()) return false;
      closes += ']';
    } else if (!SkipPlain(type)) {
      return false;
    }
  } while (depth_ > outer);
  return true;
}

}  // namespace slipway::api::oip
