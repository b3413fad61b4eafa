-- The health of every kind of stepgate.dev. Which condition says what: docs/conditions.md of stepgate.
-- Only base, table, package and a safe os are there in argocd-cm: no string, no math.

local status = obj.status or {}
local generation = obj.metadata.generation
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]
local stalled = conditions["Stalled"]

if ready == nil or ready.status == "Unknown" then
  return { status = "Progressing", message = "Waiting for the stepgate controller." }
end
-- What is said of an older generation is not said of this one.
if status.observedGeneration ~= generation or ready.observedGeneration ~= generation then
  return { status = "Progressing", message = "Waiting for the stepgate controller to see the last change." }
end

-- Ready's message is that of the condition which explains it, and says also whether something older keeps serving.
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
if ready.reason == "Paused" then
  return { status = "Suspended", message = ready.message }
end
if stalled ~= nil and stalled.status == "True" and stalled.observedGeneration == generation then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
