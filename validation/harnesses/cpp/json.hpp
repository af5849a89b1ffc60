// JSON, as much as the protocol needs: values that are read, and text that is written.
#pragma once

#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace json {

struct Value {
  enum Kind { Null, Bool, Number, String, Array, Object } kind = Null;
  bool truth = false;
  double number = 0;
  std::string text;  // of a string; of a number, as it was written
  std::vector<Value> items;
  std::map<std::string, Value> members;

  bool has(const std::string& key) const { return kind == Object && members.count(key); }
  const Value& operator[](const std::string& key) const {
    if (!has(key)) throw std::runtime_error("the request has no \"" + key + "\"");
    return members.at(key);
  }
  // A number of a request: a decimal string, "NaN", "INF" or "-INF" (strtod knows them all); or a JSON number.
  double real() const {
    if (kind != String && kind != Number) throw std::runtime_error("a number is missing");
    return std::strtod(text.c_str(), nullptr);
  }
  std::vector<double> reals() const {
    std::vector<double> all;
    for (const Value& item : items) all.push_back(item.real());
    return all;
  }
};

class Reader {
 public:
  explicit Reader(const std::string& line) : at(line.c_str()) {}
  Value document() {
    Value value = any();
    space();
    if (*at) throw std::runtime_error("not JSON: something follows the value");
    return value;
  }

 private:
  const char* at;

  void space() { while (std::isspace(static_cast<unsigned char>(*at))) ++at; }
  bool eats(char c) { space(); return *at == c && ++at; }
  void expect(char c) { if (!eats(c)) throw std::runtime_error(std::string("not JSON: expected ") + c); }

  Value any() {
    space();
    if (*at == '{') return object();
    if (*at == '[') return array();
    if (*at == '"') { Value v; v.kind = Value::String; v.text = string(); return v; }
    return scalar();
  }
  Value object() {
    Value v;
    v.kind = Value::Object;
    expect('{');
    if (eats('}')) return v;
    do {
      space();
      std::string key = string();
      expect(':');
      v.members[key] = any();
    } while (eats(','));
    expect('}');
    return v;
  }
  Value array() {
    Value v;
    v.kind = Value::Array;
    expect('[');
    if (eats(']')) return v;
    do v.items.push_back(any()); while (eats(','));
    expect(']');
    return v;
  }
  std::string string() {
    expect('"');
    std::string s;
    for (; *at && *at != '"'; ++at) {
      if (*at != '\\') { s += *at; continue; }
      switch (*++at) {
        case 'n': s += '\n'; break;
        case 't': s += '\t'; break;
        case 'u': s += '?'; for (int i = 0; i < 4 && at[1]; ++i) ++at; break;  // no request has a key or a word beyond ASCII
        case 0: throw std::runtime_error("not JSON: the line ends in a string");
        default: s += *at;
      }
    }
    expect('"');
    return s;
  }
  Value scalar() {
    Value v;
    const char* from = at;
    while (*at && !std::isspace(static_cast<unsigned char>(*at)) && !std::strchr(",]}", *at)) ++at;
    v.text.assign(from, at);
    if (v.text == "null") return v;
    if (v.text == "true" || v.text == "false") { v.kind = Value::Bool; v.truth = v.text == "true"; return v; }
    char* end;
    v.number = std::strtod(v.text.c_str(), &end);
    if (v.text.empty() || *end) throw std::runtime_error("not JSON: " + v.text);
    v.kind = Value::Number;
    return v;
  }
};

inline Value read(const std::string& line) { return Reader(line).document(); }

// With all digits; JSON does not know what is not finite.
inline std::string text(double x) {
  if (std::isnan(x)) return "\"NaN\"";
  if (std::isinf(x)) return x > 0 ? "\"INF\"" : "\"-INF\"";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.17g", x);
  return buffer;
}
inline std::string text(const std::vector<double>& xs) {
  std::string all;
  for (double x : xs) all += (all.empty() ? "" : ",") + text(x);
  return "[" + all + "]";
}
inline std::string text(const std::vector<std::vector<double>>& rows) {
  std::string all;
  for (const auto& row : rows) all += (all.empty() ? "" : ",") + text(row);
  return "[" + all + "]";
}
inline std::string text(const std::string& s) {
  std::string all = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') all += '\\';
    all += c >= 0 && c < ' ' ? ' ' : c;
  }
  return all + "\"";
}

}  // namespace json
