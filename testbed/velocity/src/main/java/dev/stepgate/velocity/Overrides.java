package dev.stepgate.velocity;

import java.util.LinkedHashMap;

/** {@code $context.responseOverride}: an override is final, a second one for the same thing is answered with 5xx. */
public final class Overrides extends LinkedHashMap<String, Object> {
  private static final long serialVersionUID = 1L;

  @Override
  public Object put(String name, Object value) {
    if (containsKey(name)) {
      throw new IllegalStateException("responseOverride." + name + " is set twice");
    }
    return super.put(name, value);
  }
}
