-- The health of every kind of stepgate.dev. Which condition says what: docs/conditions.md of stepgate.
-- Only base, table, package and a safe os are there in argocd-cm: no string, no math.

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]

-- What is said of an older generation is not said of this one.
local function is_true(type)
  local condition = conditions[type]
  return condition ~= nil and condition.status == "True" and condition.observedGeneration == obj.metadata.generation
end

if ready == nil or ready.status == "Unknown" then
  return { status = "Progressing", message = "Waiting for the stepgate controller." }
end
if status.observedGeneration ~= obj.metadata.generation or ready.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the stepgate controller to see the last change." }
end

-- Ready's message is that of the condition which explains it, and says also whether something older keeps serving.
if is_true("Ready") then
  return { status = "Healthy", message = ready.message }
end
if ready.reason == "Paused" then
  return { status = "Suspended", message = ready.message }
end
if is_true("Stalled") then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
