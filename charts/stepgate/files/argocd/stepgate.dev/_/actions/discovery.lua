local actions = {
  check = { displayName = "Check for drift now", iconClass = "fa fa-fw fa-search" },
}
-- An AWSAccount makes no changes in AWS that could be paused.
if obj.kind ~= "AWSAccount" then
  local annotations = obj.metadata.annotations or {}
  local paused = annotations["stepgate.dev/paused"] ~= nil
  actions["pause"] = { displayName = "Pause", iconClass = "fa fa-fw fa-pause-circle", disabled = paused }
  actions["resume"] = { displayName = "Resume", iconClass = "fa fa-fw fa-play-circle", disabled = not paused }
end
return actions
