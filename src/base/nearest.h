// SPDX-License-Identifier: Apache-2.0
// The known word that a misspelt one probably meant, for error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace slipway::base {

// The candidate with the smallest edit distance, empty when none is within a third of the word's
// length (at least 2).
std::string_view NearestWord(std::string_view word, std::span<const std::string_view> candidates);
// "; did you mean \"x\"?", or nothing.
std::string DidYouMean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace slipway::base
