// SPDX-License-Identifier: Apache-2.0
// MLflow's filter language, read by hand: a lexer, then comparison by comparison.
#include "api/mlflow/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "api/mlflow/grammar.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr size_t kMostFilterBytes = 100'000;

using tracking::Condition;
using tracking::Entity;

enum class Kind { kWord, kText, kNumber, kSymbol, kEnd };
struct Token {
  Kind kind = Kind::kEnd;
  std::string text;
  size_t at = 0;
  bool quoted = false;  // a key with a part in quotes
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
// A key with other characters needs quotes, as in SQL.
bool IsWordCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '.' || byte >= 0x80;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
std::string Upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
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
    if (StartsNumber()) return Number(start);
    if (IsWordCharacter(c)) return Word(start);
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
      } else if (IsWordCharacter(text_[at_])) {
        word += text_[at_++];
      } else {
        break;
      }
    }
    const std::string upper = Upper(word);
    after_comparator_ = !quoted && (upper == "LIKE" || upper == "ILIKE" || upper == "IN");
    return Token{Kind::kWord, word, start, quoted};
  }

  // "-1", ".5", "1e6"
  [[nodiscard]] bool StartsNumber() const {
    size_t at = at_ + (text_[at_] == '-' ? 1 : 0);
    if (at < text_.size() && text_[at] == '.') ++at;
    return at < text_.size() && IsDigit(text_[at]);
  }
  base::Result<Token> Number(size_t start) {
    std::string number(1, text_[at_++]);
    while (at_ < text_.size() &&
           (IsWordCharacter(text_[at_]) ||
            ((text_[at_] == '-' || text_[at_] == '+') && std::tolower(number.back()) == 'e'))) {
      number += text_[at_++];
    }
    if (!ParseDouble(number)) return Bad("'" + number + "' is not a number", start);
    after_comparator_ = false;
    return Token{Kind::kNumber, number, start};
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
  const AttributeRule* rule = nullptr;  // of an attribute
  bool prefixed = false;
};

base::Result<Key> KeyOf(const std::string& word, const Grammar& grammar) {
  Key key{Entity::kAttribute, word};
  const size_t dot = word.find('.');
  if (dot != std::string::npos) {
    const std::string prefix = word.substr(0, dot);
    const auto known =
        std::ranges::find(grammar.prefixes, std::string_view(prefix), &PrefixRule::text);
    if (known == grammar.prefixes.end()) {
      std::string expected;
      for (const PrefixRule& rule : grammar.prefixes)
        expected += (expected.empty() ? "'" : ", '") + std::string(rule.text) + "'";
      return base::InvalidArgument(
          "filter", "Invalid entity type '" + prefix + "'. Valid values are " + expected);
    }
    key = {known->entity, word.substr(dot + 1), nullptr, true};
  }
  if (key.entity != Entity::kAttribute) return key;
  const auto rule =
      std::ranges::find(grammar.attributes, std::string_view(key.name), &AttributeRule::name);
  if (rule == grammar.attributes.end()) {
    std::string expected;
    for (const AttributeRule& known : grammar.attributes)
      expected += (expected.empty() ? "'" : ", '") + std::string(known.name) + "'";
    return base::InvalidArgument(
        "filter", "Invalid attribute key '" + key.name + "' specified. Valid keys are " + expected);
  }
  key.rule = &*rule;
  key.entity = rule->entity;
  key.name = rule->key;
  return key;
}

// Does the comparison fit its key? What MLflow's vocabularies differ in.
class Fitting {
 public:
  Fitting(const Grammar& grammar, const Key& key, const Condition& condition)
      : grammar_(grammar), key_(key), condition_(condition) {}

  [[nodiscard]] base::Status Check() const {
    if (key_.rule != nullptr && !key_.rule->in_filter) {
      return base::InvalidArgument("filter", "Invalid attribute name: " + key_.name);
    }
    if (key_.entity == Entity::kDataset && key_.name != "name" && key_.name != "digest" &&
        key_.name != "context") {
      return base::InvalidArgument("filter", "Invalid dataset key '" + key_.name +
                                                 "' specified. Valid keys are 'name', 'digest', "
                                                 "'context'");
    }
    return IsNumber() ? CheckNumber() : CheckText();
  }

 private:
  [[nodiscard]] bool IsNumber() const {
    return key_.entity == Entity::kMetric || (key_.rule != nullptr && key_.rule->number);
  }
  [[nodiscard]] bool IsOp(std::string_view among) const {
    return among.find("|" + condition_.op + "|") != std::string_view::npos;
  }
  [[nodiscard]] base::Status Refuse(std::string_view expected) const {
    return base::InvalidArgument("filter", "Invalid comparator '" + condition_.op + "' for '" +
                                               key_.name + "': expected one of " +
                                               std::string(expected));
  }
  [[nodiscard]] base::Status CheckNumber() const {
    if (!IsOp("|=|!=|<|<=|>|>=|")) return Refuse("=, !=, <, <=, >, >=");
    if (condition_.texts.empty()) {
      const bool whole = condition_.number == std::floor(condition_.number);
      if (whole || key_.entity == Entity::kMetric || !grammar_.quoted_numbers) return {};
    } else if (grammar_.quoted_numbers && ParseDouble(condition_.texts.front())) {
      return {};
    }
    return base::InvalidArgument(
        "filter", "Expected numeric value type for '" + key_.name + "'. Found " +
                      (condition_.texts.empty() ? std::to_string(condition_.number)
                                                : "'" + condition_.texts.front() + "'"));
  }
  [[nodiscard]] base::Status CheckText() const {
    if (IsOp("|IS NULL|IS NOT NULL|")) {
      const bool takes = (key_.entity == Entity::kParam && grammar_.null_params) ||
                         (key_.entity == Entity::kTag && grammar_.null_tags);
      if (takes && key_.rule == nullptr) return {};
      return base::InvalidArgument("filter",
                                   "IS NULL / IS NOT NULL is only supported for tags and params, "
                                   "not for '" +
                                       key_.name + "'");
    }
    if (IsOp("|IN|NOT IN|")) {
      const bool takes = key_.rule != nullptr
                             ? key_.rule->list
                             : key_.entity == Entity::kDataset || grammar_.list_values;
      if (takes) return {};
      return base::InvalidArgument("filter", "'" + key_.name +
                                                 "' does not support comparison with a list of "
                                                 "quoted string values.");
    }
    if (!IsOp("|=|!=|LIKE|ILIKE|")) return Refuse("=, !=, LIKE, ILIKE");
    if (!condition_.texts.empty()) return {};
    return base::InvalidArgument(
        "filter", "Expected a quoted string value for '" + key_.name + "' (e.g. 'my-value').");
  }

  const Grammar& grammar_;
  const Key& key_;
  const Condition& condition_;
};

class Parser {
 public:
  Parser(std::string_view filter, const Grammar& grammar) : lexer_(filter), grammar_(grammar) {}

  base::Result<std::vector<Condition>> Parse() {
    std::vector<Condition> conditions;
    TRY(Advance());
    while (token_.kind != Kind::kEnd) {
      conditions.push_back(TRY(ParseComparison()));
      if (token_.kind == Kind::kEnd) break;
      if (IsWord("OR")) return Bad("OR is not supported, only AND", token_.at);
      if (!IsWord("AND")) return Bad("expected AND, found '" + token_.text + "'", token_.at);
      TRY(Advance());  // nothing need follow: MLflow lets a filter end in AND
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
    const Key key = TRY(KeyOf(token_.text, grammar_));
    Condition condition;
    condition.entity = key.entity;
    condition.key = key.name;
    TRY(Advance());
    TRY(ParseOperator(condition));
    TRY(Fitting(grammar_, key, condition).Check());
    return condition;
  }

  base::Status ParseOperator(Condition& condition) {
    if (token_.kind == Kind::kSymbol && token_.text != "(" && token_.text != ")" &&
        token_.text != ",") {
      condition.op = token_.text;
      TRY(Advance());
      return ParseValue(condition);
    }
    if (!grammar_.any_case && token_.kind == Kind::kWord && token_.text != Upper(token_.text) &&
        !IsWord("IS")) {
      return Bad("write '" + Upper(token_.text) + "' in capitals here", token_.at);
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
  const Grammar& grammar_;
  Token token_;
};

bool Orders(const Key& key, const Grammar& grammar) {
  if (key.rule != nullptr) return key.rule->in_order && (grammar.order_prefixed || !key.prefixed);
  if (key.entity == Entity::kMetric) return grammar.order_metrics;
  return key.entity != Entity::kDataset && grammar.order_values;
}

base::Result<tracking::OrderBy> ParseOneOrder(const std::string& text, const Grammar& grammar) {
  Lexer lexer(text);
  const Token word = TRY(lexer.Next());
  const Token direction = TRY(lexer.Next());
  const std::string upper = Upper(direction.text);
  const bool known = direction.kind == Kind::kEnd || upper == "ASC" || upper == "DESC";
  if (word.kind != Kind::kWord || !known || TRY(lexer.Next()).kind != Kind::kEnd) {
    return base::InvalidArgument(
        "order_by", "Invalid order_by clause '" + text + "'. Expected a key, then ASC or DESC.");
  }
  const Key key = TRY(KeyOf(word.text, grammar));
  if (!Orders(key, grammar)) {
    return base::InvalidArgument("order_by", "Invalid order by key '" + word.text + "' specified.");
  }
  return tracking::OrderBy{key.entity, key.name, upper != "DESC"};
}

}  // namespace

base::Result<std::vector<Condition>> ParseFilter(std::string_view filter, const Grammar& grammar) {
  if (filter.size() > kMostFilterBytes)
    return Bad("it is longer than " + std::to_string(kMostFilterBytes) + " bytes", 0);
  return Parser(filter, grammar).Parse();
}

base::Result<std::vector<tracking::OrderBy>> ParseOrderBy(const std::vector<std::string>& keys,
                                                          const Grammar& grammar) {
  std::vector<tracking::OrderBy> order;
  for (const std::string& text : keys) {
    tracking::OrderBy by = TRY(ParseOneOrder(text, grammar));
    const auto is_same = [&](const tracking::OrderBy& former) {
      return former.entity == by.entity && former.key == by.key;
    };
    if (!grammar.order_repeated && std::ranges::any_of(order, is_same))
      return base::InvalidArgument("order_by", "`order_by` contains duplicate fields: " + text);
    order.push_back(std::move(by));
  }
  return order;
}

}  // namespace slipway::api::mlflow
