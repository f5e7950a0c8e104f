// SPDX-License-Identifier: Apache-2.0
// MLflow's filter language, read by hand: a lexer, then comparison by comparison.
#include "api/mlflow/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr size_t kMostFilterBytes = 100'000;
// Clients add `tags.mlflow.prompt.is_prompt != 'true'` to what they search, and mean those without
// the tag too.
constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";

using tracking::Condition;
using tracking::Entity;

enum class Kind { kWord, kText, kNumber, kSymbol, kEnd };
struct Token {
  Kind kind = Kind::kEnd;
  std::string text;
  size_t at = 0;
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_.-/").find(c) != std::string_view::npos;
}
std::string Upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return text;
}
std::string LowerOf(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

base::Status Bad(std::string_view what, size_t at) {
  return base::InvalidArgument(
      "filter", "Invalid filter at character " + std::to_string(at + 1) + ": " + std::string(what));
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  base::Result<Token> Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    const size_t start = at_;
    if (at_ == text_.size()) return Token{Kind::kEnd, "", start};
    const char c = text_[at_];
    if (c == '\'') return Quoted(start);
    if (c == '"' || c == '`') return IsKeyQuote() ? Word(start) : Quoted(start);
    if (std::string_view("<>=!(),").find(c) != std::string_view::npos) return Symbol(start);
    if (IsWordCharacter(c) || c == '+') return Word(start);
    return Bad(std::string("'") + c + "' is not expected", start);
  }

 private:
  // "x" is a key when a comparison follows it and a text when one came before; back-ticks are
  // always a key's.
  [[nodiscard]] bool IsKeyQuote() const { return text_[at_] == '`' || !after_comparator_; }

  base::Result<std::string> TakeQuoted() {
    const size_t start = at_;
    const char quote = text_[at_++];
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] != quote) {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {  // doubled
        value += quote;
        ++at_;
      } else {
        ++at_;
        return value;
      }
    }
    return Bad("a quote is not closed", start);
  }

  base::Result<Token> Quoted(size_t start) {
    Token token{Kind::kText, TRY(TakeQuoted()), start};
    after_comparator_ = false;
    return token;
  }

  // tags.`a b`: a dotted word whose parts may be quoted
  base::Result<Token> Word(size_t start) {
    std::string word;
    bool quoted = false;
    while (at_ < text_.size()) {
      if (text_[at_] == '`' || text_[at_] == '"') {
        quoted = true;
        word += TRY(TakeQuoted());
      } else if (IsWordCharacter(text_[at_]) || text_[at_] == '+') {
        word += text_[at_++];
      } else {
        break;
      }
    }
    const std::string upper = Upper(word);
    after_comparator_ = !quoted && (upper == "LIKE" || upper == "ILIKE" || upper == "IN");
    return Token{!quoted && ParseDouble(word) ? Kind::kNumber : Kind::kWord, word, start};
  }

  base::Result<Token> Symbol(size_t start) {
    std::string symbol(1, text_[at_++]);
    if (at_ < text_.size() && text_[at_] == '=' &&
        (symbol == "<" || symbol == ">" || symbol == "!"))
      symbol += text_[at_++];
    if (symbol == "!") return Bad("'!' needs '='", start);
    after_comparator_ = symbol != ")";
    return Token{Kind::kSymbol, symbol, start};
  }

  std::string_view text_;
  size_t at_ = 0;
  bool after_comparator_ = false;
};

struct Key {
  Entity entity = Entity::kAttribute;
  std::string name;
};

struct Prefix {
  std::string_view text;
  Entity entity;
};
constexpr std::array<Prefix, 14> kPrefixes = {{{"metrics", Entity::kMetric},
                                               {"metric", Entity::kMetric},
                                               {"params", Entity::kParam},
                                               {"param", Entity::kParam},
                                               {"parameters", Entity::kParam},
                                               {"parameter", Entity::kParam},
                                               {"tags", Entity::kTag},
                                               {"tag", Entity::kTag},
                                               {"attributes", Entity::kAttribute},
                                               {"attribute", Entity::kAttribute},
                                               {"attr", Entity::kAttribute},
                                               {"run", Entity::kAttribute},
                                               {"datasets", Entity::kDataset},
                                               {"dataset", Entity::kDataset}}};

// Other spellings that MLflow takes.
std::string AttributeName(const std::string& name) {
  const std::string lower = LowerOf(name);
  if (lower == "run name" || lower == "run_name") return "run_name";
  if (lower == "run id" || lower == "run_id") return "run_id";
  if (lower == "created" || lower == "start time") return "start_time";
  if (lower == "user") return "user_id";
  return name;
}

Key KeyOf(const std::string& word) {
  const size_t dot = word.find('.');
  if (dot != std::string::npos) {
    const std::string prefix = LowerOf(word.substr(0, dot));
    const auto* const known = std::ranges::find(kPrefixes, std::string_view(prefix), &Prefix::text);
    if (known != kPrefixes.end()) {
      const std::string name = word.substr(dot + 1);
      return {known->entity, known->entity == Entity::kAttribute ? AttributeName(name) : name};
    }
  }
  return {Entity::kAttribute, AttributeName(word)};
}

class Parser {
 public:
  explicit Parser(std::string_view filter) : lexer_(filter) {}

  base::Result<std::vector<Condition>> Parse() {
    std::vector<Condition> conditions;
    TRY(Advance());
    while (token_.kind != Kind::kEnd) {
      conditions.push_back(TRY(ParseComparison()));
      if (token_.kind == Kind::kEnd) break;
      if (IsWord("OR")) return Bad("OR is not supported, only AND", token_.at);
      if (!IsWord("AND")) return Bad("expected AND, found '" + token_.text + "'", token_.at);
      TRY(Advance());
      if (token_.kind == Kind::kEnd) return Bad("a comparison is missing after AND", token_.at);
    }
    return conditions;
  }

 private:
  base::Status Advance() {
    token_ = TRY(lexer_.Next());
    return {};
  }
  [[nodiscard]] bool IsWord(std::string_view word) const {
    return token_.kind == Kind::kWord && Upper(token_.text) == word;
  }
  [[nodiscard]] bool IsSymbol(std::string_view symbol) const {
    return token_.kind == Kind::kSymbol && token_.text == symbol;
  }

  base::Result<Condition> ParseComparison() {
    if (IsSymbol("(")) return Bad("parentheses around comparisons are not supported", token_.at);
    if (token_.kind != Kind::kWord)
      return Bad("expected a key such as metrics.auc, found '" + token_.text + "'", token_.at);
    const Key key = KeyOf(token_.text);
    Condition condition;
    condition.entity = key.entity;
    condition.key = key.name;
    TRY(Advance());
    TRY(ParseOperator(condition));
    return condition;
  }

  base::Status ParseOperator(Condition& condition) {
    if (token_.kind == Kind::kSymbol && token_.text != "(" && token_.text != ")" &&
        token_.text != ",") {
      condition.op = token_.text;
      TRY(Advance());
      return ParseValue(condition);
    }
    if (IsWord("LIKE") || IsWord("ILIKE")) {
      condition.op = Upper(token_.text);
      TRY(Advance());
      return ParseValue(condition);
    }
    if (IsWord("IS")) return ParseIs(condition);
    const bool negated = IsWord("NOT");
    if (negated) TRY(Advance());
    if (!IsWord("IN")) {
      return Bad("expected a comparison (=, !=, <, <=, >, >=, LIKE, ILIKE, IN, IS NULL), found '" +
                     token_.text + "'",
                 token_.at);
    }
    condition.op = negated ? "NOT IN" : "IN";
    TRY(Advance());
    return ParseList(condition);
  }

  base::Status ParseIs(Condition& condition) {
    TRY(Advance());
    const bool negated = IsWord("NOT");
    if (negated) TRY(Advance());
    if (!IsWord("NULL")) return Bad("expected NULL after IS", token_.at);
    condition.op = negated ? "IS NOT NULL" : "IS NULL";
    return Advance();
  }

  base::Status ParseValue(Condition& condition) {
    if (token_.kind == Kind::kText) {
      condition.texts = {token_.text};
    } else if (token_.kind == Kind::kNumber) {
      condition.number = *ParseDouble(token_.text);
    } else {
      return Bad("expected a number or a string in quotes, found '" + token_.text + "'", token_.at);
    }
    return Advance();
  }

  base::Status ParseList(Condition& condition) {
    if (!IsSymbol("(")) return Bad("expected '(' after IN", token_.at);
    do {
      TRY(Advance());
      if (token_.kind != Kind::kText)
        return Bad("a list has strings in quotes, found '" + token_.text + "'", token_.at);
      condition.texts.push_back(token_.text);
      TRY(Advance());
    } while (IsSymbol(","));
    if (!IsSymbol(")")) return Bad("expected ')' at the end of the list", token_.at);
    return Advance();
  }

  Lexer lexer_;
  Token token_;
};

// LIKE: '%' is anything, '_' one character. Greedy with one step back, so linear in practice and
// quadratic at worst.
bool Like(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

}  // namespace

base::Result<std::vector<Condition>> ParseFilter(std::string_view filter) {
  if (filter.size() > kMostFilterBytes)
    return Bad("it is longer than " + std::to_string(kMostFilterBytes) + " bytes", 0);
  return Parser(filter).Parse();
}

base::Result<std::vector<tracking::OrderBy>> ParseOrderBy(const std::vector<std::string>& keys) {
  std::vector<tracking::OrderBy> order;
  for (const std::string& text : keys) {
    Lexer lexer(text);
    const Token key = TRY(lexer.Next());
    const Token direction = TRY(lexer.Next());
    const std::string upper = Upper(direction.text);
    const bool known = direction.kind == Kind::kEnd || upper == "ASC" || upper == "DESC";
    if (key.kind != Kind::kWord || !known || TRY(lexer.Next()).kind != Kind::kEnd) {
      return base::InvalidArgument(
          "order_by", "Invalid order_by clause '" + text + "'. Expected a key, then ASC or DESC.");
    }
    const Key parsed = KeyOf(key.text);
    order.push_back({parsed.entity, parsed.name, upper != "DESC"});
  }
  return order;
}

base::Result<bool> MatchesText(const Condition& condition,
                               const std::optional<std::string>& actual) {
  constexpr std::array<std::string_view, 6> kTextOps = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"};
  const std::string& op = condition.op;
  if (op == "IS NULL") return !actual.has_value();
  if (op == "IS NOT NULL") return actual.has_value();
  if (condition.texts.empty()) {
    return base::InvalidArgument(
        "filter", "The value of '" + condition.key + "' must be a string in quotes.");
  }
  if (std::ranges::find(kTextOps, op) == kTextOps.end()) {
    return base::InvalidArgument("filter", "Invalid comparator '" + op + "' for '" + condition.key +
                                               "'. Expected =, !=, LIKE, ILIKE, IN or NOT IN.");
  }
  if (!actual) return condition.key == kPromptTag && op == "!=";
  if (op == "LIKE") return Like(condition.texts.front(), *actual);
  if (op == "ILIKE") return Like(LowerOf(condition.texts.front()), LowerOf(*actual));
  const bool among = std::ranges::find(condition.texts, *actual) != condition.texts.end();
  return among == (op == "=" || op == "IN");
}

base::Result<bool> MatchesNumber(const Condition& condition, double actual) {
  double wanted = condition.number;
  if (!condition.texts.empty()) {  // version_number = '3'
    const std::optional<double> number = ParseDouble(condition.texts.front());
    if (!number)
      return base::InvalidArgument("filter",
                                   "The value of '" + condition.key + "' must be a number.");
    wanted = *number;
  }
  const std::string& op = condition.op;
  if (op == "=") return actual == wanted;
  if (op == "!=") return actual != wanted;
  if (op == "<") return actual < wanted;
  if (op == "<=") return actual <= wanted;
  if (op == ">") return actual > wanted;
  if (op == ">=") return actual >= wanted;
  return base::InvalidArgument(
      "filter", "Invalid comparator '" + op + "' for the number '" + condition.key + "'.");
}

}  // namespace slipway::api::mlflow
