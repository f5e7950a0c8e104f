// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: the numbers of a tensor, read at the speed of a short loop. Private to
// the room.
#pragma once

#include <cstddef>
#include <string_view>

namespace slipway::api::oip {

// Reads the JSON number that `text` begins with, rounded as std::from_chars rounds it, and says how
// many characters it has. 0: it is none, or one of the few that take longer to read for certain;
// JsonReader::ReadNumber reads those and names what is wrong.
template <typename T>  // float or double
size_t ReadShortNumber(std::string_view text, T& out);

}  // namespace slipway::api::oip
