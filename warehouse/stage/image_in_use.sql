-- One row per machine image that an instance runs. It is the same image in every account, so the newest word on any instance of it
-- counts. Not part of the public interface; read aws.ec2_instance_image. It has no key: what is one must be in each record of AWS, and
-- an instance of which the image is not known is no reason to refuse a response.
-- materialized: view
-- image_id: Id, such as ami-0123456789abcdef0; NULL of those whose image is not known.
-- image_owner_id: Account that owns it, 12 digits.
-- name: Its name; NULL where it is not known.
-- is_deregistered: True where its owner has deregistered it.
-- deprecated_at: When its owner deprecates it, UTC; NULL where that is not set.
select
    image_id,
    max_by(image_owner_id, collected_at) as image_owner_id,
    max_by(image_name, collected_at) as name,
    max_by(image_state, collected_at) = 'deregistered' as is_deregistered,
    arg_max_null(deprecated_at, collected_at) as deprecated_at
from aws.ec2_instance_image
group by image_id
