// SPDX-License-Identifier: Apache-2.0
// Text -> Json: what every control-path request, event and setting goes through. Boost.JSON's SAX
// parser does the grammar and UTF-8; this handler builds the tree, keeps integers exact, rounds
// numbers correctly and refuses duplicate keys.
#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

#include "base/json.h"

namespace slipway::base {

namespace {

using boost::json::error_code;

class TreeBuilder {
 public:
  // Names and limits that basic_parser asks for; our inputs are bounded by their readers.
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  Json Take() { return std::move(root_); }
  const std::string& duplicate() const { return duplicate_; }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    open_.push_back({Json(Json::Object()), {}});
    return true;
  }
  bool on_object_end(std::size_t, error_code& error) {
    if (!KeysAreUnique(open_.back().value.AsObject())) {
      error = make_error_code(std::errc::invalid_argument);
      return false;
    }
    return Close();
  }
  bool on_array_begin(error_code&) {
    open_.push_back({Json(Json::Array()), {}});
    return true;
  }
  bool on_array_end(std::size_t, error_code&) { return Close(); }
  bool on_key_part(boost::json::string_view part, std::size_t, error_code&) {
    return AppendText(part);
  }
  bool on_key(boost::json::string_view part, std::size_t, error_code&) {
    AppendText(part);
    open_.back().key = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(boost::json::string_view part, std::size_t, error_code&) {
    return AppendText(part);
  }
  bool on_string(boost::json::string_view part, std::size_t, error_code&) {
    AppendText(part);
    return Add(Json(std::exchange(text_, {})));
  }
  bool on_number_part(boost::json::string_view part, error_code&) { return AppendText(part); }
  bool on_int64(int64_t value, boost::json::string_view, error_code&) {
    text_.clear();
    return Add(Json(value));
  }
  // Past int64, and every number with a point or an exponent: read from the text, because the
  // parser's own value is not always the nearest double.
  bool on_uint64(uint64_t, boost::json::string_view part, error_code& error) {
    return AddDouble(part, error);
  }
  bool on_double(double, boost::json::string_view part, error_code& error) {
    return AddDouble(part, error);
  }
  bool on_bool(bool value, error_code&) { return Add(Json(value)); }
  bool on_null(error_code&) { return Add(Json()); }
  bool on_comment_part(boost::json::string_view, error_code&) { return true; }
  bool on_comment(boost::json::string_view, error_code&) { return true; }

 private:
  struct Open {
    Json value;
    std::string key;  // of the member being read
  };

  bool AppendText(boost::json::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool AddDouble(boost::json::string_view part, error_code& error) {
    AppendText(part);
    const std::string text = std::exchange(text_, {});
    double value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc()) {
      value =
          std::strtod(text.c_str(), nullptr);  // tells what rounds to zero from what cannot be held
      if (std::isinf(value)) {
        error = make_error_code(std::errc::result_out_of_range);
        return false;
      }
    }
    return Add(Json(value));
  }

  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().value.is_array()) {
      open_.back().value.AsArray().push_back(std::move(value));
    } else {
      open_.back().value.AsObject().emplace_back(std::move(open_.back().key), std::move(value));
    }
    return true;
  }

  bool Close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(value));
  }

  bool KeysAreUnique(const Json::Object& object) {
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (const Json::Member& member : object) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice == keys.end()) return true;
    duplicate_ = *twice;
    return false;
  }

  Json root_;
  std::vector<Open> open_;
  std::string text_;
  std::string duplicate_;
};

}  // namespace

Result<Json> Json::Parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  boost::json::basic_parser<TreeBuilder> parser(options);
  error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) error = boost::json::error::extra_data;
  if (!error) return parser.handler().Take();
  std::string why = error.message();
  if (!parser.handler().duplicate().empty())
    why = "the key \"" + parser.handler().duplicate() + "\" stands twice";
  if (error == boost::json::error::too_deep)
    why = "nested deeper than " + std::to_string(kMaxJsonDepth);
  return InvalidArgument("", "not valid JSON at byte " + std::to_string(used) + ": " + why,
                         "bad_json");
}

}  // namespace slipway::base
