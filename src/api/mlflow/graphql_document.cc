// SPDX-License-Identifier: Apache-2.0
// A GraphQL document, read by hand: a lexer, then selections.
#include "api/mlflow/graphql_document.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::api::mlflow {
namespace {

constexpr size_t kMostBytes = 100'000;
constexpr size_t kMostDepth = 16;
constexpr size_t kMostFields = 1000;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<std::vector<Field>> Parse() {
    std::vector<Field> operation;
    bool found = false;
    TRY(Advance());
    while (!token_.empty()) {
      if (token_ == "fragment") {
        TRY(Advance());
        const std::string name = token_;
        while (token_ != "{" && !token_.empty()) TRY(Advance());
        fragments_[name] = TRY(ParseSelection(0));
      } else if (token_ == "query" || token_ == "{") {
        if (found) return Bad("one operation");
        found = true;
        TRY(SkipToSelection());
        operation = TRY(ParseSelection(0));
      } else {
        return Bad("a query");
      }
    }
    if (!found) return Bad("a query");
    std::vector<Field> fields;
    TRY(Expand(operation, fields, 0));
    return fields;
  }

 private:
  [[nodiscard]] base::Status Bad(std::string_view expected) const {
    return base::InvalidArgument("query", "Syntax Error: expected " + std::string(expected) +
                                              " at character " + std::to_string(at_) + ", found '" +
                                              token_ + "'");
  }

  static bool IsName(char c) {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
  }

  // White space, commas and comments.
  void SkipSpace() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      } else if (c != ',' && std::isspace(static_cast<unsigned char>(c)) == 0) {
        return;
      }
      ++at_;
    }
  }

  // A name, "...", a quoted string, or one other character; empty at the end.
  base::Status Advance() {
    SkipSpace();
    const size_t start = at_;
    if (at_ < text_.size() && text_.substr(at_).starts_with("...")) {
      at_ += 3;
    } else if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) at_ += text_[at_] == '\\' ? 1 : 0;
      if (at_ >= text_.size()) return base::InvalidArgument("query", "Syntax Error: open string");
      ++at_;
    } else if (at_ < text_.size()) {
      ++at_;
      while (IsName(text_[start]) && at_ < text_.size() && IsName(text_[at_])) ++at_;
    }
    token_ = text_.substr(start, at_ - start);
    return {};
  }

  // Reads over "(...)" and returns the first variable in it.
  base::Result<std::string> ParseParentheses() {
    std::string variable;
    size_t depth = 0;
    do {
      if (token_.empty()) return Bad("')'");
      depth += token_ == "(" ? 1 : 0;
      depth -= token_ == ")" ? 1 : 0;
      const bool is_variable = token_ == "$" && variable.empty();
      TRY(Advance());
      if (is_variable) variable = token_;
    } while (depth > 0);
    return variable;
  }

  base::Status SkipDirectives() {
    while (token_ == "@") {
      TRY(Advance());
      TRY(Advance());
      if (token_ == "(") TRY(ParseParentheses());
    }
    return {};
  }

  base::Status SkipToSelection() {
    while (token_ != "{") {
      if (token_.empty()) return Bad("'{'");
      if (token_ == "(") {
        TRY(ParseParentheses());
      } else {
        TRY(Advance());
      }
    }
    return {};
  }

  base::Result<std::vector<Field>> ParseSelection(size_t depth) {
    if (depth > kMostDepth) return Bad("fewer levels");
    if (token_ != "{") return Bad("'{'");
    TRY(Advance());
    std::vector<Field> fields;
    while (token_ != "}") {
      if (token_.empty() || ++count_ > kMostFields) return Bad("'}'");
      fields.push_back(token_ == "..." ? TRY(ParseSpread(depth)) : TRY(ParseField(depth)));
    }
    TRY(Advance());
    return fields;
  }

  base::Result<Field> ParseField(size_t depth) {
    Field field{token_, token_, {}, {}};
    TRY(Advance());
    if (token_ == ":") {
      TRY(Advance());
      field.name = token_;
      TRY(Advance());
    }
    if (token_ == "(") field.variable = TRY(ParseParentheses());
    TRY(SkipDirectives());
    if (token_ == "{") field.fields = TRY(ParseSelection(depth + 1));
    return field;
  }

  // "... on Type {}" keeps its fields here; "...Name" its name until all fragments are known.
  base::Result<Field> ParseSpread(size_t depth) {
    Field field{"...", "", {}, {}};
    TRY(Advance());
    if (token_ == "on") {
      TRY(Advance());
      TRY(Advance());
    } else if (token_ != "{" && token_ != "@") {
      field.answer_name = token_;
      TRY(Advance());
    }
    TRY(SkipDirectives());
    if (field.answer_name.empty()) field.fields = TRY(ParseSelection(depth + 1));
    return field;
  }

  base::Status Expand(const std::vector<Field>& from, std::vector<Field>& to, size_t depth) {
    if (depth > kMostDepth) return base::InvalidArgument("query", "The query is too deep.");
    for (const Field& field : from) {
      if (field.name != "...") {
        to.push_back({field.name, field.answer_name, field.variable, {}});
        TRY(Expand(field.fields, to.back().fields, depth + 1));
        continue;
      }
      const auto known = fragments_.find(field.answer_name);
      if (!field.answer_name.empty() && known == fragments_.end())
        return base::InvalidArgument("query", "Unknown fragment \"" + field.answer_name + "\".");
      TRY(Expand(field.answer_name.empty() ? field.fields : known->second, to, depth + 1));
    }
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t count_ = 0;
  std::string token_;
  std::map<std::string, std::vector<Field>> fragments_;
};

}  // namespace

base::Result<std::vector<Field>> ParseGraphql(std::string_view document) {
  if (document.size() > kMostBytes) {
    return base::InvalidArgument(
        "query", "The query has more than " + std::to_string(kMostBytes) + " bytes.");
  }
  return Parser(document).Parse();
}

}  // namespace slipway::api::mlflow
