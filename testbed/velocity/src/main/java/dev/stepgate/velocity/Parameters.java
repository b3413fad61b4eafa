package dev.stepgate.velocity;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The request's path parameters, query string and headers; of a repeated query parameter the last value is the single one. */
final class Parameters {
  private final Map<String, Map<String, String>> single = new LinkedHashMap<>();
  private final Map<String, List<String>> queries = new LinkedHashMap<>();

  Parameters(JsonNode request) {
    single.put("path", strings(request.path("path")));
    Map<String, String> last = new LinkedHashMap<>();
    request
        .path("query")
        .fields()
        .forEachRemaining(
            entry -> {
              List<String> values = new ArrayList<>();
              entry.getValue().forEach(value -> values.add(value.asText()));
              queries.put(entry.getKey(), values);
              last.put(entry.getKey(), values.get(values.size() - 1));
            });
    single.put("querystring", last);
    single.put("header", strings(request.path("headers")));
  }

  Map<String, Map<String, String>> all() {
    return single;
  }

  /** {@code $method.request}: not in API Gateway's reference for templates, but used in the field. */
  Map<String, Object> method() {
    return Map.of(
        "path", single.get("path"),
        "querystring", single.get("querystring"),
        "header", single.get("header"),
        "multivaluequerystring", queries);
  }

  private static Map<String, String> strings(JsonNode node) {
    Map<String, String> map = new LinkedHashMap<>();
    node.fields().forEachRemaining(entry -> map.put(entry.getKey(), entry.getValue().asText()));
    return map;
  }
}
