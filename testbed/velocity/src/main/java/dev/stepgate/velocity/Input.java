package dev.stepgate.velocity;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.PathNotFoundException;
import com.jayway.jsonpath.spi.json.JacksonJsonProvider;
import com.jayway.jsonpath.spi.mapper.JacksonMappingProvider;
import java.util.Map;

/** API Gateway's {@code $input}. */
public final class Input {
  private static final Configuration JSON_PATH =
      Configuration.builder()
          .jsonProvider(new JacksonJsonProvider(Harness.JSON))
          .mappingProvider(new JacksonMappingProvider(Harness.JSON))
          .build();

  private final String body;
  private final Parameters parameters;

  Input(String body, Parameters parameters) {
    this.body = body;
    this.parameters = parameters;
  }

  /** The payload as it came. */
  public String getBody() {
    return body;
  }

  /** The value at a JSONPath as a Java object, null when absent; a body that is not JSON fails the template. */
  public Object path(String path) throws JsonProcessingException {
    Object document = Harness.JSON.readValue(body.isEmpty() ? "{}" : body, Object.class);
    try {
      return JsonPath.using(JSON_PATH).parse(document).read(path);
    } catch (PathNotFoundException absent) {
      return null;
    }
  }

  /** The value at a JSONPath as JSON text; API Gateway gives an empty JSON string for one that is absent. */
  public String json(String path) throws JsonProcessingException {
    Object value = path(path);
    return value == null ? "\"\"" : Harness.JSON.writeValueAsString(value);
  }

  /** All parameters: maps {@code path}, {@code querystring} and {@code header}. */
  public Map<String, Map<String, String>> params() {
    return parameters.all();
  }

  /** A parameter looked for in path, query string and headers, in this order: whoever comes first wins. */
  public String params(String name) {
    for (String place : new String[] {"path", "querystring", "header"}) {
      String value = parameters.all().get(place).get(name);
      if (value != null) {
        return value;
      }
    }
    return "";
  }
}
