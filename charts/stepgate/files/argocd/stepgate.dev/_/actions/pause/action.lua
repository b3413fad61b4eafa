if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["stepgate.dev/paused"] = "true"
return obj
