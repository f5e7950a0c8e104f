// SPDX-License-Identifier: Apache-2.0
// What can be set about serving.
#include "serving/predict.h"

namespace slipway::serving {

void Describe(base::Schema& schema, ServingSettings& settings) {
  schema.Add("serving.default_timeout", &settings.default_timeout,
             "Time for a prediction whose caller names none.", base::Duration{base::kMillisecond},
             base::Duration{base::kHour});
  schema.Add("serving.fallback_to_stable", &settings.fallback_to_stable,
             "Answer with the stable version when the candidate fails.");
  schema.AddChoice(
      "serving.on_log_failure", &settings.on_log_failure,
      "When a prediction cannot be logged: refuse the request, or serve it and count it.",
      {"refuse", "serve"});
  schema.Add("serving.rate_limits", &settings.rate_limits,
             "Limits such as 'endpoint=fraud per=caller rate=100 burst=20 at_once=8'; past one a "
             "request is refused with 429 and Retry-After.");
}

}  // namespace slipway::serving
