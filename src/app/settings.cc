// SPDX-License-Identifier: Apache-2.0
// What can be set, from the process down to each room.
#include "app/settings.h"

namespace slipway::app {
namespace {

void Describe(base::Schema& schema, ProcessSettings& settings) {
  schema.Add("data", &settings.data, "Folder of everything that is kept; made when absent.");
  schema.Add("insecure", &settings.insecure,
             "Allow addresses other than loopback, without authentication.");
  schema.AddChoice("log.format", &settings.log_format, "How log lines look.", {"human", "json"});
  schema.AddChoice("log.level", &settings.log_level, "The least that is logged.",
                   {"debug", "info", "warning", "error"});
  schema.AddChoice("clock.mode", &settings.clock_mode,
                   "system; or driven: time stands still until POST /api/v1/clock moves it, to "
                   "replay recorded data.",
                   {"system", "driven"});
  schema.Add("clock.start", &settings.clock_start,
             "Time (RFC 3339) at which a driven clock of a new data folder starts.");
  schema.Add("artifacts.uri", &settings.artifacts,
             "Where artifacts are kept: file:<folder> (relative: below the data folder), "
             "s3://bucket/prefix or gs://bucket/prefix.");
  schema.Add("http.blocking_threads", &settings.blocking_threads,
             "Threads for requests that wait for the database, artifacts or gates.", 1, 256);
  schema.Add(
      "http.drain_notice", &settings.drain_notice,
      "Time between /ready turning 503 and the servers closing, for load balancers to notice.", {0},
      {10 * base::kMinute});
}

}  // namespace

void Describe(base::Schema& schema, Settings& settings) {
  Describe(schema, settings.process);
  Describe(schema, settings.http);
  Describe(schema, settings.grpc);
  Describe(schema, settings.outbound);
  Describe(schema, settings.database);
  Describe(schema, settings.registry);
  Describe(schema, settings.inference);
  Describe(schema, settings.repository);
  Describe(schema, settings.serving);
  Describe(schema, settings.rollout);
  Describe(schema, settings.monitoring);
  Describe(schema, settings.pipelines);
  Describe(schema, settings.lifecycle);
  Describe(schema, settings.retention);
}

}  // namespace slipway::app
