// SPDX-License-Identifier: Apache-2.0
// A drift report as one page that needs nothing else: no script, no font, no address. Light or dark
// as the reader's system is. Pure.
#pragma once

#include <string>

#include "drift/report.h"

namespace slipway::drift {

std::string ReportHtml(const Report& report);

}  // namespace slipway::drift
