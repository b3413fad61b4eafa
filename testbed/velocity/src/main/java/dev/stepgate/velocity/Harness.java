package dev.stepgate.velocity;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.runtime.RuntimeConstants;
import org.apache.velocity.runtime.log.NullLogChute;

/**
 * Evaluates mapping templates as API Gateway does, one request a line.
 *
 * <p>In: {@code {"template","body","path":{},"query":{"x":["a","b"]},"headers":{},"context":{},"stageVariables":{}}};
 * out: {@code {"output","status","headers"}} (status and headers only when overridden), or {@code {"error"}} where API Gateway would answer
 * with an error of its own.
 */
public final class Harness {
  static final ObjectMapper JSON = new ObjectMapper();

  private Harness() {}

  public static void main(String[] args) throws Exception {
    VelocityEngine engine = new VelocityEngine();
    engine.setProperty(RuntimeConstants.RUNTIME_LOG_LOGSYSTEM_CLASS, NullLogChute.class.getName());
    engine.init();

    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.print(JSON.writeValueAsString(evaluate(engine, JSON.readTree(line))));
      out.print('\n');
      out.flush();
    }
  }

  private static ObjectNode evaluate(VelocityEngine engine, JsonNode request) {
    ObjectNode answer = JSON.createObjectNode();
    try {
      Parameters parameters = new Parameters(request);
      Overrides overrides = new Overrides();
      Overrides headers = new Overrides();
      overrides.put("header", headers);
      Map<String, Object> context = map(request.path("context"));
      context.put("responseOverride", overrides);

      VelocityContext variables = new VelocityContext();
      variables.put("input", new Input(request.path("body").asText(""), parameters));
      variables.put("util", new Util());
      variables.put("context", context);
      variables.put("stageVariables", map(request.path("stageVariables")));
      variables.put("method", Map.of("request", parameters.method()));

      StringWriter output = new StringWriter();
      engine.evaluate(variables, output, "template", request.path("template").asText());
      answer.put("output", output.toString());
      Object status = overrides.get("status");
      if (status != null) {
        answer.put("status", Integer.parseInt(status.toString()));
      }
      ObjectNode overridden = answer.putObject("headers");
      headers.forEach((name, value) -> overridden.put(name, value.toString()));
    } catch (Exception e) {
      answer.put("error", e.toString());
    }
    return answer;
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> map(JsonNode node) {
    return node.isObject() ? JSON.convertValue(node, java.util.LinkedHashMap.class) : new java.util.LinkedHashMap<>();
  }
}
