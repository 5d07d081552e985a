// Checks of words that stand in a configuration: names, paths, addresses. No JSON here.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/stores.h"

namespace hps::config {

/// `[a-zA-Z0-9_-]{1,120}`.
bool is_name(std::string_view text) noexcept;

/// What ps.json may call a model or a table: `[a-zA-Z0-9_.-]{1,120}`, but not "." and not "..".
bool is_ps_name(std::string_view text) noexcept;

/// 32 lower-case hexadecimal digits.
bool is_digest(std::string_view text) noexcept;

/// True for a relative path with a `..` component, which would leave the bundle.
bool climbs_out(const std::filesystem::path& path);

/// `host:port` or `[ipv6]:port`; nothing for anything else.
std::optional<Address> parse_address(std::string_view text);

/// The candidate with the smallest edit distance to `word`; "" when there is no candidate.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `text` in quotes for a one-line message: control and non-ASCII bytes escaped, long text cut.
std::string in_quotes(std::string_view text);

}  // namespace hps::config
