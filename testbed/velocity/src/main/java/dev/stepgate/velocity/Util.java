package dev.stepgate.velocity;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.commons.lang.StringEscapeUtils;

/** API Gateway's {@code $util}. */
public final class Util {
  /** commons-lang's, which makes {@code \'} of an apostrophe: not JSON. */
  public String escapeJavaScript(String text) {
    return StringEscapeUtils.escapeJavaScript(text);
  }

  public Object parseJson(String text) throws JsonProcessingException {
    return Harness.JSON.readValue(text, Object.class);
  }

  public String urlEncode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  public String urlDecode(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }

  public String base64Encode(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  public String base64Decode(String text) {
    return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
  }
}
