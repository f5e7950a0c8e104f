// SPDX-License-Identifier: Apache-2.0
// What each of MLflow's searches allows in its filter and order_by: MLflow has one language with
// six vocabularies (mlflow/utils/search_utils.py and search_logged_model_utils.py), and clients'
// filters that one search takes another refuses.
#pragma once

#include <span>
#include <string_view>

#include "tracking/tracking.h"

namespace slipway::api::mlflow {

struct PrefixRule {
  std::string_view text;  // "metrics" in "metrics.auc"
  tracking::Entity entity;
};

// A key without a prefix, or with that of attributes.
struct AttributeRule {
  std::string_view name;
  std::string_view key;  // what it means
  bool number = false;
  bool list = false;  // takes IN and NOT IN
  bool in_filter = true;
  bool in_order = true;
  tracking::Entity entity = tracking::Entity::kAttribute;  // some stand for a tag or metadata
};

struct Grammar {
  std::span<const PrefixRule> prefixes;
  std::span<const AttributeRule> attributes;
  bool any_case = true;         // "like" is LIKE
  bool list_values = false;     // params and tags take IN and NOT IN too
  bool null_params = false;     // take IS NULL
  bool null_tags = false;       // take IS NULL
  bool quoted_numbers = false;  // '3' for a number attribute
  bool order_values = false;    // order_by takes params and tags
  bool order_metrics = false;   // order_by takes metrics
  bool order_repeated = false;  // order_by takes a key twice
  bool order_prefixed = true;   // order_by takes "attribute.name"
};

const Grammar& RunGrammar();
const Grammar& ExperimentGrammar();
const Grammar& LoggedModelGrammar();
const Grammar& RegisteredModelGrammar();
const Grammar& ModelVersionGrammar();
const Grammar& TraceGrammar();  // a param is metadata

}  // namespace slipway::api::mlflow
